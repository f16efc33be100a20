"""Label smoothing for torch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from cadence._errors import RecipeError

Compare = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def smoothed(loss: Compare, share: float) -> Compare:
    """A cross-entropy whose targets are partly spread evenly over all classes.

    Args:
        loss: mean cross-entropy of (logits, classes).
        share: that is spread, in [0, 1); with 0 the loss is returned as it is.

    Returns:
        (logits, classes) -> (1 - share) loss + share (mean of -log of every class's probability); it raises RecipeError
        where it is not given logits and classes.

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7; torch's `cross_entropy(label_smoothing=)` is the same.

    Example:
        >>> from torch.nn import functional
        >>> logits, classes = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
        >>> round(float(smoothed(functional.cross_entropy, 0.1)(logits, classes)), 4)
        0.3365
        >>> round(float(functional.cross_entropy(logits, classes, label_smoothing=0.1)), 4)
        0.3365
    """
    if not share:
        return loss

    def smooth(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if targets.is_floating_point() or outputs.shape[:-1] != targets.shape:
            raise RecipeError(
                f"label_smoothing is {share}, and this task's targets are not classes (outputs of shape "
                f"{tuple(outputs.shape)}, targets of {targets.dtype} and shape {tuple(targets.shape)}); leave it out"
            )
        even = -torch.log_softmax(outputs, -1).mean()
        return (1 - share) * loss(outputs, targets) + share * even

    return smooth
