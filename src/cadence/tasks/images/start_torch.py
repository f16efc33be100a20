"""What models for images begin with: colours on one scale, and weights from a file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cadence._errors import TaskError
from cadence._lazy import need
from cadence.tasks.images.preparing import DEVIATION, MEAN

_PREFIX = "model."
"""Of the weights in a checkpoint of cadence."""


class Standardise(nn.Module):
    """Turns eight-bit colours into standardised float32; what is standardised already passes as it is."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        deviation = torch.tensor(DEVIATION)
        # Not persistent: published weights have no such entries.
        self.register_buffer("scale", (1 / (255 * deviation))[:, None, None], persistent=False)
        self.register_buffer("shift", (torch.tensor(MEAN) / deviation)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, 3, height, width), uint8 or float -> the same, float."""
        return x * self.scale - self.shift if x.dtype == torch.uint8 else x


def load_weights(model: nn.Module, path: str, *, head: str) -> None:
    """Put weights from a file into a model.

    Args:
        model: that is changed.
        path: of a safetensors file: weights by their names in the model, or a checkpoint of cadence.
        head: module whose weights are left as they are where the file has them for other classes, or not at all.

    Raises:
        TaskError: the file cannot be read, or its weights are for another model.
    """
    safetensors = need("safetensors.torch", extra="torch")
    try:
        found: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as fault:  # its own error class and those of the system, depending on the platform
        raise TaskError(f"weights {path!r} cannot be read ({fault}); give a safetensors file") from None
    if any(name.startswith(_PREFIX) for name in found):
        found = {name.removeprefix(_PREFIX): x for name, x in found.items() if name.startswith(_PREFIX)}
    wanted = model.state_dict()
    own = {name for name in wanted if name.startswith(f"{head}.")}
    if any(name not in found or found[name].shape != wanted[name].shape for name in own):
        found = {**found, **{name: wanted[name] for name in own}}
    missing, more = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    counters = [name for name in missing if name.endswith("num_batches_tracked")]
    if len(missing) > len(counters) or more:
        which = next(name for name in [*missing, *more] if name not in counters)
        raise TaskError(
            f"weights {path!r} are for another model: {which!r} is {'missing' if which in missing else 'too much'}; "
            f"give those of this one"
        )
    for name, x in found.items():
        if x.shape != wanted[name].shape:
            raise TaskError(
                f"weights {path!r} are for another model: {name!r} has shape {tuple(x.shape)}, and this model "
                f"{tuple(wanted[name].shape)}; give those of this one"
            )
    model.load_state_dict(found, strict=False)
