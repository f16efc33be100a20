"""What the recipes for images need of a GPU's memory: weights, gradients, optimizer, and what backward needs.

What autograd keeps between forward and backward is counted, not guessed: every tensor that it saves, each piece of
memory once, weights left out. Nothing is computed for float32 (the tensors have shapes and no content); for bfloat16
one image and two are computed on this processor, and what the second one adds is counted. Not in it: what the
framework and its kernels take for themselves, and what is freed within forward or backward; add a fifth.

    python benchmarks/image_memory.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe
from cadence.tasks.images.resnet_torch import resnet50
from cadence.tasks.images.vit_torch import vit_small

FOLDER = Path(__file__).parents[1] / "recipes"

MOMENTS = {"sgd": 1, "adamw": 2, "lamb": 2}
"""Numbers that a method keeps for each weight."""


def kept_for_backward(model: torch.nn.Module, images: torch.Tensor) -> int:
    """Bytes that autograd keeps between forward and backward, beside the weights."""
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[torch.Tensor] = []  # or memory would be given out again under the same name

    def keep(x: torch.Tensor) -> torch.Tensor:
        alive.append(x)
        storage = x.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        model(images).sum()
    return sum(kept.values())


def per_image(make: Callable[[], torch.nn.Module], precision: str, size: int = 224) -> int:
    """Bytes that autograd keeps for one more image."""
    device = "meta" if precision == "fp32" else "cpu"
    with torch.device(device):
        model = make().train()
    cast = nullcontext() if precision == "fp32" else torch.autocast("cpu", torch.bfloat16)
    with cast:
        one, two = (kept_for_backward(model, torch.zeros(n, 3, size, size, device=device)) for n in (1, 2))
    return two - one


def model_of(recipe: Recipe) -> Callable[[], torch.nn.Module]:
    """The model of a recipe, without the weights it begins from."""
    make = vit_small if recipe.model is not None and recipe.model.endswith("vit_small") else resnet50
    arguments = {key: value for key, value in recipe.model_args.items() if key != "weights"}
    return lambda: make(**arguments)


def memory(recipe: Recipe, image_bytes: int) -> Mapping[str, float]:
    """Gigabytes by what they are for.

    Args:
        recipe: of a training.
        image_bytes: from `per_image`.
    """
    with torch.device("meta"):
        weights = sum(p.numel() for p in model_of(recipe)().parameters())
    copies = 2 + MOMENTS[recipe.main.name] + (recipe.average is not None)
    parts = {
        "weights, gradients, optimizer": copies * 4 * weights,
        "backward": (recipe.batch_size or 0) * image_bytes,
    }
    found = {name: size / 1e9 for name, size in parts.items()}
    return {**found, "together": sum(found.values())}


def main() -> None:
    known: dict[Any, int] = {}
    print("| recipe | images | weights, gradients, optimizer | backward | together |\n|---|---|---|---|---|")
    for path in sorted(FOLDER.glob("*.yaml")):
        recipe = load_recipe(path)
        for precision in dict.fromkeys(("fp32", recipe.precision)):
            key = (recipe.model, precision)
            if key not in known:
                known[key] = per_image(model_of(recipe), precision)
            a, b, c = memory(recipe, known[key]).values()
            print(f"| `{path.stem}` | {recipe.batch_size}, {precision} | {a:.2f} GB | {b:.1f} GB | {c:.1f} GB |")


if __name__ == "__main__":
    main()
