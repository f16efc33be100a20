"""The way in: `drive` takes an optimizer of any framework and gives the driver."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cadence._errors import DriverError, SpecError, UnknownNameError, neighbours
from cadence.curve.curve import named_groups
from cadence.curve.horizon import horizon
from cadence.curve.place import Bases, as_plan, lay_out
from cadence.drivers.driver import Driver, Meet, Reduce
from cadence.drivers.effective import EffectiveRates, Gauge
from cadence.drivers.ranks import Exchange, mean_over_ranks
from cadence.drivers.recording import FolderRecorder, NoRecorder, Recorder
from cadence.drivers.steering import OF_ITS_OWN, Steering
from cadence.drivers.writer import Writer, no_optimizer
from cadence.spec.nodes import EarlyStop, Plateau, Schedule, walk
from cadence.spec.plan import Plan, split_key
from cadence.spec.span import SpanLike
from cadence.spec.value import number_of


def drive(
    optimizer: Any,
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    base: Bases | None = None,
    scaler: Any = None,
    reduce: Reduce | None = None,
    record: str | Path | Recorder | None = None,
    loggers: Sequence[str] = (),
    effective_rates: int | None = None,
) -> Driver:
    """Make an optimizer obey a schedule; its first values are written at once.

    Call `driver.step()` after each `optimizer.step()`, and `driver.observe({"val_loss": ...})` after each evaluation.

    Args:
        optimizer: a torch or paddle optimizer, or a list of them under one plan; the updates of the first are the
            clock.
        schedule: a schedule, a plan, or the text form of either.
        total: length of the run in updates, or text with a unit.
        steps_per_epoch: updates in one epoch.
        batch_size: samples in one update.
        tokens_per_step: tokens in one update.
        base: what relative values are multiples of, as for `place`; each group's own value where it is left out
            (`initial_lr` where an earlier driver or scheduler left one, else `lr`). In paddle a group's own rate is the
            optimizer's times the group's `learning_rate`.
        scaler: the loss scaler, where there is one: then an update that nobody saw was skipped, from the very first on.
        reduce: makes metrics the same on every rank; where it is left out and `torch.distributed` (or paddle's) is
            initialised, they are averaged over all ranks, each of which must then call `observe`; that all of them
            stand at the same update with the same values is checked on the way.
        record: folder of a record to write (on rank 0), or what writes one; see `docs/formats.md`. A driver with a
            folder in one process follows the commands that ``cadence steer`` leaves there.
        loggers: programs in whose format the record is written too, in folders of their names beside it:
            ``"tensorboard"``, ``"visualdl"``, ``"mlflow"``.
        effective_rates: once in so many updates, measure for the record what the optimizer really did to each group:
            norm of the update over norm of the weights, trust ratios; and note at every update what weight decay alone
            takes. 20 costs about one percent of most updates, and, during the optimizer's step, memory for a copy of
            the largest group. None: nothing is measured.

    Returns:
        The driver.

    Raises:
        DriverError: something that is no optimizer; a paddle optimizer that has a scheduler, or a static program;
            effective rates without a record, or of parameters spread over processes.
        RecordError: a folder that holds a run that has ended, or that cannot be written.
        HorizonError: a schedule that does not fit the run, or a unit that the run cannot resolve.
        SpecError: a value or a pattern that no group has, or a schedule that gives values no optimizer can use.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> driver = drive(optimizer, "warmup(2) >> cosine()", total=10)
        >>> optimizer.param_groups[0]["lr"]
        0.001
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     driver.step()
        >>> driver.t, optimizer.param_groups[0]["lr"]
        (2, 0.1)
    """
    plan = as_plan(schedule)
    run = horizon(total, steps_per_epoch, batch_size, tokens_per_step)
    writer = writer_of(optimizer, plan.values())
    names = named_groups(writer.groups())
    curve = lay_out(plan, run, names, bases_of(writer, plan, names, base))
    effective = None if effective_rates is None else EffectiveRates(_gauge(writer, record), effective_rates)
    driver = Driver(
        curve, writer, meet=meeting(reduce), record=_recorder(record, loggers), strict=_scales(scaler),
        effective=effective,
    )  # fmt: skip
    if isinstance(record, (str, Path)) and _world() == 1:
        # Wherever the program may go from here.
        driver.listen(Steering(Path(record).absolute(), driver, unheard=OF_ITS_OWN))
    return driver


def _gauge(writer: Writer, record: object) -> Gauge:
    if record is None:
        raise DriverError("effective_rates needs a record to be written to; write drive(..., record='runs/mine')")
    gauge = writer.gauge()
    if gauge is None:
        raise DriverError("effective_rates cannot measure the updates of this optimizer; leave it out")
    gauge.check()
    return gauge


def _recorder(record: str | Path | Recorder | None, loggers: Sequence[str]) -> Recorder | None:
    if not isinstance(record, (str, Path)):
        if loggers:
            raise DriverError(
                f"loggers={list(loggers)} write beside the record of a folder, and there is none; write "
                f"record='runs/mine' too"
            )
        return record
    return FolderRecorder(Path(record), loggers, listens=_world() == 1) if _rank() == 0 else NoRecorder()


def _scales(scaler: Any) -> bool:
    """Whether a loss scaler is at work; one that is there may be switched off. (Torch says enabled, paddle enable.)"""
    told = getattr(scaler, "is_enabled", None) or getattr(scaler, "is_enable", None)
    return scaler is not None and (told is None or bool(told()))


def writer_of(optimizer: Any, values: list[str]) -> Writer:
    """What writes into an optimizer of any framework, or into several of one.

    Args:
        optimizer: one, or a list of them.
        values: that are to be written.

    Raises:
        DriverError: something that is no optimizer, or that cannot be written to.
        UnknownNameError: a value that none of its groups has.
    """
    optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    if not optimizers:
        raise DriverError("drive got an empty list of optimizers; give it at least one")
    modules = {cls.__module__.partition(".")[0] for cls in type(optimizers[0]).__mro__}
    if "torch" in modules:
        from cadence.drivers import torch_writer

        torch_writer.check_optimizers(optimizers, values)
        return torch_writer.TorchWriter(optimizers)
    if "paddle" in modules:
        from cadence.drivers import paddle_writer

        paddle_writer.check_optimizers(optimizers, values)
        return paddle_writer.PaddleWriter(optimizers)
    raise no_optimizer(optimizers[0])


def has_feedback(plan: Plan) -> bool:
    """Whether a metric governs any part of a plan."""
    return any(isinstance(node, (Plateau, EarlyStop)) for _, schedule in plan.entries for node in walk(schedule))


def bases_of(
    writer: Writer, plan: Plan, names: tuple[str, ...], given: Bases | None
) -> dict[str, tuple[float | None, ...]]:
    """The base of every value of every group: what the call says, else what the groups hold.

    Raises:
        SpecError: a value that no group the plan means has, a base that is not asked for, or a wrong number of them.
    """
    _check_given(given, plan.values())
    table: dict[str, tuple[float | None, ...]] = {}
    for value in plan.values():
        own = [writer.base(g, value) for g in range(len(names))]
        table[value] = tuple(_given(given, value, own))
    for key, _ in plan.entries:
        pattern, value = split_key(key)
        governed = [g for g, name in enumerate(names) if plan.governing(name, value) is not None]
        if governed and all(table[value][g] is None for g in governed):
            where = f" that {pattern!r} matches" if pattern else ""
            raise SpecError(
                f"the plan governs {value!r}, and no parameter group{where} has it; take it out of the plan"
            )
    return table


def _given(given: Any, value: str, own: list[float | None]) -> list[float | None]:
    """The base of each group: what the call says, else the group's own."""
    if isinstance(given, Mapping):
        given = given.get(value)
    elif value != "lr":
        given = None
    if given is None:
        return own
    numbers = _listed(given, len(own))
    if len(numbers) != len(own):
        raise SpecError(
            f"base has {len(numbers)} numbers for {value!r}, and the optimizer has {len(own)} parameter groups; write "
            f"one for each"
        )
    return [None if o is None else number_of(x, f"the base of {value}") for x, o in zip(numbers, own, strict=True)]


def _listed(given: Any, count: int) -> list[Any]:
    """One number for each group, from one for all or from any sequence, arrays and tensors included."""
    if isinstance(given, str) or getattr(given, "ndim", 1) == 0 or not hasattr(given, "__len__"):
        return [given] * count
    return list(given)


def _check_given(given: Bases | None, values: list[str]) -> None:
    """Refuse a base of something that the plan does not govern."""
    named: list[str] = list(given) if isinstance(given, Mapping) else [] if given is None else ["lr"]
    for value in named:
        if value not in values:
            raise UnknownNameError(
                f"base says something of {value!r}, which the plan does not govern; {neighbours(str(value), values)}"
            )


# ---- ranks -----------------------------------------------------------------------------------------------------------


def meeting(reduce: Reduce | None) -> Meet:
    """Where ranks meet: as the call says, else in the process group that is initialised by then."""
    if reduce is None:
        return _in_the_group

    def by_call(metrics: dict[str, float], t: int, values: Mapping[str, list[float | None]], /) -> Mapping[str, float]:
        del t, values
        return reduce(metrics)

    return by_call


def _in_the_group(
    metrics: dict[str, float], t: int, values: Mapping[str, list[float | None]], /
) -> Mapping[str, float]:
    """The mean over all ranks, if a process group of torch or paddle is initialised; else the metrics as they are."""
    exchange = group_exchange()
    return metrics if exchange is None else mean_over_ranks(metrics, t, values, exchange)


def group_exchange() -> Exchange | None:
    """What tells plain data to all ranks of the process group that is initialised by now; None where none is."""
    framework = _in_group()
    if framework is None:
        return None
    if framework == "torch":
        from cadence.drivers.torch_ranks import exchange
    else:
        from cadence.drivers.paddle_ranks import exchange
    return exchange


def _in_group() -> str | None:
    """The framework whose process group is initialised by now."""
    for framework in ("torch", "paddle"):
        distributed = sys.modules.get(f"{framework}.distributed")
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            return framework
    return None


def _world() -> int:
    framework = _in_group()
    return 1 if framework is None else sys.modules[f"{framework}.distributed"].get_world_size()


def _rank() -> int:
    framework = _in_group()
    return 0 if framework is None else sys.modules[f"{framework}.distributed"].get_rank()
