"""What reading a folder of images costs beside bare Pillow, with and without worker processes.

The images are as large as ImageNet's on average (500 x 375 pixels, 110 KB of JPEG), made here from smooth noise. Bare
Pillow opens, decodes, crops, scales and mirrors one after the other and makes an array of each batch; the crops are of
the same sizes. First processor time per image where one process does all; then, by the clock, how many images a second
come from one and from two workers; then how long a training that computes for a while after each batch waits for the
next one.

    python benchmarks/images.py --rounds 7
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from _bench import Benchmark, Case, Limit, main
from cadence.tasks.base import Batch
from cadence.tasks.images import folder
from cadence.tasks.images.preparing import DEVIATION, MEAN, random_part

IMAGES, BATCH, SIZE = 128, 32, 224


def write_images(root: Path, images: int = IMAGES) -> list[Path]:
    """Two classes of smooth noise."""
    rng, paths = np.random.default_rng(0), []
    for part, count in (("train", images), ("val", BATCH)):
        for i in range(count):
            path = root / part / f"class{i % 2}" / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (94, 125, 3), dtype=np.uint8)).resize((500, 375))
            fine = rng.normal(0, 12, (375, 500, 1))
            Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8)).save(path, quality=92)
            if part == "train":
                paths.append(path)
    print(f"mean size of a file: {sum(p.stat().st_size for p in paths) / len(paths) / 1000:.0f} KB")
    return paths


def bare(paths: list[Path]) -> Callable[[], float]:
    scale = (1 / (255 * np.array(DEVIATION))).astype(np.float32)
    shift = (np.array(MEAN) / np.array(DEVIATION)).astype(np.float32)

    def sample() -> float:
        rng, begin = np.random.default_rng(0), time.process_time()
        for first in range(0, IMAGES, BATCH):
            batch = np.empty((BATCH, 3, SIZE, SIZE), dtype=np.float32)
            for row, path in enumerate(paths[first : first + BATCH]):
                with Image.open(path) as image:
                    rgb = image.convert("RGB")
                box = random_part(*rgb.size, (0.08, 1.0), (3 / 4, 4 / 3), rng)
                scaled = rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
                if rng.random() < 0.5:
                    scaled = scaled.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                batch[row] = (np.asarray(scaled) * scale - shift).transpose(2, 0, 1)
        return (time.process_time() - begin) / IMAGES

    return sample


def read(root: Path, clock: Callable[[], float], workers: int, pixels: str = "float32") -> Callable[[], float]:
    data = folder(root, size=SIZE, workers=workers, pixels=pixels, batch_size=BATCH).data  # type: ignore[arg-type]

    def sample() -> float:
        begin = clock()
        for _ in data.batches(0, 0, BATCH):
            pass
        return (clock() - begin) / IMAGES

    return sample


def waiting(root: Path, workers: int, seconds: float) -> Callable[[], float]:
    """Seconds that a training waits for a batch, after the first, if it computes so long after each."""
    data = folder(root, size=SIZE, workers=workers, batch_size=BATCH).data

    def sample() -> float:
        reader: Iterator[Batch] = data.batches(0, 0, BATCH)
        next(reader)
        waited, count = 0.0, 0
        while True:
            time.sleep(seconds)  # as a GPU computes: without this processor
            begin = time.perf_counter()
            if next(reader, None) is None:
                return waited / count
            waited, count = waited + time.perf_counter() - begin, count + 1

    return sample


def benchmarks(root: Path) -> list[Benchmark]:
    paths = write_images(root)
    here = [
        Case("bare Pillow", bare(paths)),
        Case("workers: 0", read(root, time.process_time, 0)),
        Case("workers: 0, uint8", read(root, time.process_time, 0, "uint8")),
        Case("workers: 2, the training process alone", read(root, time.process_time, 2)),
    ]
    clock = [
        Case("no worker", read(root, time.perf_counter, 0)),
        Case("1 worker", read(root, time.perf_counter, 1)),
        Case("2 workers", read(root, time.perf_counter, 2)),
    ]
    alone = min(clock[0].sample() for _ in range(3)) * BATCH
    waits = [
        Case("no worker", waiting(root, 0, 1.25 * alone)),
        Case("1 worker", waiting(root, 1, 1.25 * alone)),
        Case("2 workers", waiting(root, 2, 1.25 * alone)),
    ]
    return [
        Benchmark("one image, processor time", here, [Limit("workers: 0", "bare Pillow", ratio=1.1)]),
        Benchmark("one image, by the clock", clock),
        Benchmark(f"waiting for a batch of {BATCH}, after computing for 1.25 times as long as decoding takes", waits),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place_for_images:
        main(benchmarks(Path(place_for_images)), rounds=7)
