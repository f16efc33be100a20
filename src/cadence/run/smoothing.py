"""Label smoothing: the same for every framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cadence._errors import RecipeError

Compare = Callable[[Any, Any], Any]


def smoothed(loss: Compare, share: float, log_softmax: Callable[[Any, int], Any]) -> Compare:
    """A cross-entropy whose targets are partly spread evenly over all classes.

    Args:
        loss: mean cross-entropy of (logits, classes).
        share: that is spread, in [0, 1); with 0 the loss is returned as it is.
        log_softmax: the framework's, of logits along an axis.

    Returns:
        (logits, classes) -> (1 - share) loss + share (mean of -log of every class's probability); it raises RecipeError
        where it is not given logits and classes.

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7; `cross_entropy(label_smoothing=)` of torch and paddle is
    the same.

    Example:
        >>> import torch
        >>> from torch.nn import functional
        >>> logits, classes = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
        >>> smooth = smoothed(functional.cross_entropy, 0.1, torch.log_softmax)
        >>> round(float(smooth(logits, classes)), 4)
        0.3365
        >>> round(float(functional.cross_entropy(logits, classes, label_smoothing=0.1)), 4)
        0.3365
    """
    if not share:
        return loss

    def smooth(outputs: Any, targets: Any) -> Any:
        if targets.is_floating_point() or list(outputs.shape[:-1]) != list(targets.shape):
            raise RecipeError(
                f"label_smoothing is {share}, and this task's targets are not classes (outputs of shape "
                f"{tuple(outputs.shape)}, targets of {targets.dtype} and shape {tuple(targets.shape)}); leave it out"
            )
        even = -log_softmax(outputs, -1).mean()
        return (1 - share) * loss(outputs, targets) + share * even

    return smooth
