"""Folders of small images, for the tests of several parts. Needs Pillow when it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def image_folder(root: Path, classes: int = 3, train: int = 8, val: int = 4, side: int = 40) -> Path:
    """Write a folder of images whose colour tells their class.

    Args:
        root: where; is made.
        classes: how many.
        train, val: images of each class.
        side: height of the first image in pixels; each further one is a little wider.
    """
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for c in range(classes):
            folder = root / part / f"class{c}"
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 120, (side, side + 3 * i, 3), dtype=np.uint8)
                pixels[..., c % 3] += 100
                Image.fromarray(pixels).save(folder / f"{i}.{'png' if i % 2 else 'jpg'}")
    return root
