"""Advice as the lines of Python that do the same in a loop of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from cadence.advice.advice import Advice


def loop_code(advice: Advice) -> str:
    """Optimizer, driver, and where clipping and averaging stand in the loop.

    Args:
        advice: with a rate.

    Raises:
        AdviceError: no rate is known.

    Example:
        >>> from cadence.advice.recommend import recommend
        >>> advice = recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90)
        >>> print(loop_code(advice).splitlines()[2])
        groups = cd.parameter_groups(model, no_decay=True, lr=0.1, weight_decay=0.0001)
    """
    own, setting = advice.profile, advice.setting
    decay = {} if setting.weight_decay is None else {"weight_decay": setting.weight_decay}
    arguments = {"lr": setting.lr, **decay, **setting.arguments}
    lines = ["import cadence as cd", ""]
    trained = "model"
    if setting.no_decay or setting.layer_decay is not None or setting.groups:
        how: dict[str, Any] = {"no_decay": True} if setting.no_decay else {}
        if setting.layer_decay is not None:
            how["layer_decay"] = setting.layer_decay
        own_groups = (
            f"{_plain({name: dict(keys) for name, keys in setting.groups.items()})}, " if setting.groups else ""
        )
        lines.append(f"groups = cd.parameter_groups(model, {own_groups}{_words({**how, 'lr': setting.lr, **decay})})")
        trained = "groups"
    lines.append(f"optimizer = cd.optimizer({setting.name!r}, {trained}, {_words(arguments)})")
    units: dict[str, Any] = {"total": own.updates, "steps_per_epoch": own.steps_per_epoch}
    # A schedule that somebody asked for may count by these.
    units |= {"batch_size": own.batch_size} if "samples" in advice.schedule else {}
    units |= {"tokens_per_step": own.tokens_per_step} if "tokens" in advice.schedule else {}
    lines.append(f"driver = cd.drive(optimizer, {advice.schedule!r}, {_words(units)})")
    paddle = own.model.framework == "paddle"
    lines += ["", "for batch in batches:", "    loss(batch).backward()"]
    clip = advice["clip_norm"].value
    if clip is not None:
        library = "paddle" if paddle else "torch"
        lines.insert(1, f"import {library}")
        lines.append(f"    {library}.nn.utils.clip_grad_norm_(model.parameters(), {clip:g})")
    zero = "clear_grad" if paddle else "zero_grad"
    lines.append(f"    optimizer.step(); optimizer.{zero}(); driver.step()")
    if advice["averaging"].value is not None:
        lines.append("# The average of the weights is kept where advice.build(model) makes optimizer and driver.")
    return "\n".join(lines)


def _words(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_plain(x)}" for key, x in arguments.items() if x is not None)


def _plain(x: Any) -> str:
    if isinstance(x, list):
        x = tuple(cast("list[Any]", x))
    return f"{x:.6g}" if isinstance(x, float) else repr(x)
