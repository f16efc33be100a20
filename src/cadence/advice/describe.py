"""From what a user says to a profile: lengths in one unit, what contradicts itself refused, what is assumed named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, cast

from cadence._errors import AdviceError, neighbours
from cadence.advice.known import Named, look_at
from cadence.advice.known_data import KNOWN as KNOWN_DATA
from cadence.advice.known_data import KnownData, known_data
from cadence.advice.profile import Augmentation, Precision, Profile, Reads
from cadence.advice.task_kinds import SEQUENCES, TASKS, task_kind
from cadence.curve.horizon import round_half_up
from cadence.findings.finding import Both

GONE_ON = frozenset({"speech", "translation"})
"""Tasks of known models that mostly go on with them: their weights come from another one, without labels."""

AGREE = 0.02
"""How far two lengths may lie apart and still be one: what rounding an epoch up leaves."""


def describe(
    *,
    model: Any,
    model_args: Mapping[str, Any] | None = None,
    task: str | None = None,
    updates: int | None = None,
    epochs: float | None = None,
    tokens: float | None = None,
    batch_size: int | None = None,
    dataset_size: int | None = None,
    data: str | int | None = None,
    tokens_per_example: int | None = None,
    from_scratch: bool | None = None,
    fine_tuning: bool | None = None,
    noise: float | None = None,
    augmentation: str | None = None,
    ranks: int | None = None,
    gpus: int | None = None,
    precision: str | None = None,
    hardware: str | None = None,
    clip_norm: float | None = None,
    given: Mapping[str, Any] | None = None,
) -> Profile:
    """The profile of a training.

    Args: see `cadence.recommend`; `model_args` are of a function that makes the model, `given` are fields that no rule
        is to decide.

    Raises:
        AdviceError: something is missing, is no such thing, or contradicts something else.
    """
    assumed: list[Both] = []
    named = look_at(model, model_args)
    assumed += named.assumed
    per_example = _whole("tokens_per_example", tokens_per_example)
    known, rows = _data(data, dataset_size, per_example)
    kind = _task(task, named, known, assumed)
    reads = _reads(kind, named, known)
    tuned = _begins(from_scratch, fine_tuning, named, kind, assumed)
    world = _ranks(ranks, gpus)
    batch = _batch(batch_size, rows, world)
    length = _length(
        kind, known, rows, batch, per_example, _whole("updates", updates), _above_0("epochs", epochs),
        _above_0("tokens", tokens), assumed,
    )  # fmt: skip
    return Profile(
        task=kind,
        model=named.counts,
        updates=length,
        batch_size=batch,
        dataset_size=rows,
        tokens_per_example=per_example if kind in SEQUENCES or per_example else None,
        reads=reads,
        fine_tuning=tuned,
        noise=_share("noise", noise),
        augmentation=cast("Augmentation | None", _one_of("augmentation", augmentation, ("none", "light", "strong"))),
        ranks=world,
        precision=cast("Precision | None", _one_of("precision", precision, ("fp32", "bf16", "fp16"))),
        hardware=_text("hardware", hardware),
        clip_norm=_above_0("clip_norm", clip_norm),
        given=_mapping("given", given),
        assumed=tuple(assumed),
    )


# ---- single values ---------------------------------------------------------------------------------------------------


def _whole(name: str, x: Any) -> int | None:
    if x is None:
        return None
    if isinstance(x, bool) or not isinstance(x, (int, float)) or x != x or x in (math.inf, -math.inf) or x != int(x):
        raise AdviceError(f"{name} is {x!r:.60}; write a whole number of at least 1")
    if x < 1:
        raise AdviceError(f"{name} is {x!r}; write a whole number of at least 1")
    return int(x)


def _above_0(name: str, x: Any) -> float | None:
    if x is None:
        return None
    if isinstance(x, bool) or not isinstance(x, (int, float)) or not 0 < x < math.inf:
        raise AdviceError(f"{name} is {x!r:.60}; write a finite number above 0")
    return float(x)


def _share(name: str, x: Any) -> float | None:
    if x is None:
        return None
    if isinstance(x, bool) or not isinstance(x, (int, float)) or not 0 <= x < 1:
        raise AdviceError(f"{name} is {x!r:.60}; it is the share of labels that are wrong, at least 0 and below 1")
    return float(x)


def _one_of(name: str, x: Any, known: tuple[str, ...]) -> str | None:
    if x is None:
        return None
    if x not in known:
        raise AdviceError(f"{name} is {x!r:.60}; {neighbours(str(x), known)}")
    return str(x)


def _text(name: str, x: Any) -> str:
    if x is not None and not isinstance(x, str):
        raise AdviceError(f"{name} is {x!r:.60}; write text, e.g. {name}='A100'")
    return (x or "").strip()


def _mapping(name: str, x: Any) -> dict[str, Any]:
    if x is not None and not isinstance(x, Mapping):
        raise AdviceError(f"{name} is {x!r:.60}; write a mapping from fields to values, e.g. {{'optimizer': 'sgd'}}")
    return dict(cast("Mapping[str, Any]", x or {}))


# ---- what belongs together -------------------------------------------------------------------------------------------


def _data(data: str | int | None, size: int | None, per_example: int | None) -> tuple[KnownData | None, int | None]:
    """The data set, where it is known, and how many rows it has; of text, as many as its tokens fill."""
    rows = _whole("dataset_size", size)
    if data is None:
        return None, rows
    if not isinstance(data, str):
        named, found = _whole("data", data), None
    elif data.strip().isdigit():
        named, found = _whole("data", int(data)), None
    else:
        found = known_data(data)
        if found is None:
            raise AdviceError(
                f"no data set is known by the name {data!r:.60}; {neighbours(data, KNOWN_DATA)}; or write how many "
                f"rows it has, e.g. data=50000"
            )
        named = found.examples
        if found.tokens is not None and per_example is not None:
            named = max(1, found.tokens // per_example)
    if found is None and rows is not None and rows != named:
        raise AdviceError(f"data is {data!r} and dataset_size {rows}; both are the number of rows, so leave one out")
    return found, rows if rows is not None else named


def _task(task: str | None, named: Named, known: KnownData | None, assumed: list[Both]) -> str:
    if task is not None:
        return task_kind(task)
    if known is None and named.facts is None:
        raise AdviceError(f"task is not said; write what kind it is: {', '.join(TASKS)}")
    kind = known.task if known is not None else named.facts.objective  # pyright: ignore[reportOptionalMemberAccess]
    of = known.name if known is not None else named.counts.kind
    assumed.append(
        Both(
            f"the task is {TASKS[kind].en}, which {of} is mostly used for",
            f"任务为{TASKS[kind].zh}，这是 {of} 最常见的用途",
        )
    )
    return kind


def _reads(task: str, named: Named, known: KnownData | None) -> Reads:
    counts, facts = named.counts, named.facts
    told = {one for one in (known.reads if known else "", facts.reads if facts else "") if one and one != "both"}
    if len(told) > 1:
        assert known is not None
        assert facts is not None
        raise AdviceError(
            f"{counts.kind} reads {facts.reads}s and {known.name} are {known.reads}s; name a model and data that fit"
        )
    if told:
        return cast("Reads", told.pop())
    if task in SEQUENCES or (counts.embeddings and counts.attention and not counts.convolutions):
        return "text"
    if task == "speech":
        return "audio"
    if task in ("detection", "segmentation") or counts.convolutions:
        return "image"
    return "" if counts.attention or counts.recurrent else "table"


def _begins(from_scratch: bool | None, fine_tuning: bool | None, named: Named, task: str, assumed: list[Both]) -> bool:
    """Whether the training goes on from weights that were trained before."""
    for name, x in (("from_scratch", from_scratch), ("fine_tuning", fine_tuning)):
        if x is not None and not isinstance(x, bool):
            raise AdviceError(f"{name} is {x!r:.60}; write True or False")
    if from_scratch is not None and fine_tuning is not None and from_scratch == fine_tuning:
        both = "both" if from_scratch else "neither"
        raise AdviceError(f"from_scratch and fine_tuning are {both} true, and each is what the other is not; keep one")
    if fine_tuning is not None or from_scratch is not None:
        return bool(fine_tuning) if fine_tuning is not None else not from_scratch
    facts = named.facts
    tuned = facts is not None and facts.pretrained and (task != facts.objective or facts.objective in GONE_ON)
    if tuned:
        assumed.append(
            Both(
                f"it goes on from published weights, as {named.counts.kind} mostly does (from_scratch says otherwise)",
                f"从已发布的权重继续训练，{named.counts.kind} 大多如此（可用 from_scratch 说明并非如此）",
            )
        )
    elif facts is not None and task == facts.objective == "detection":
        assumed.append(
            Both(
                f"the backbone of {named.counts.kind} was trained before, as published, and the rest begins new",
                f"{named.counts.kind} 的主干已预训练（与发表时一致），其余部分从头开始",
            )
        )
    else:
        assumed.append(
            Both("it is trained from scratch (fine_tuning says otherwise)", "从头训练（可用 fine_tuning 说明并非如此）")
        )
    return tuned


def _ranks(ranks: Any, gpus: Any) -> int:
    one, other = _whole("ranks", ranks), _whole("gpus", gpus)
    if one is not None and other is not None and one != other:
        raise AdviceError(f"ranks is {one} and gpus {other}; one process trains on each, so keep one of them")
    return one or other or 1


def _batch(batch_size: Any, rows: int | None, ranks: int) -> int:
    batch = _whole("batch_size", batch_size)
    if batch is None:
        raise AdviceError("batch_size (--batch) is not said; write how many examples one update has, over all ranks")
    if rows is not None and batch > rows:
        raise AdviceError(f"batch_size is {batch} and the data have {rows} rows; write at most {rows}")
    if batch % ranks:
        raise AdviceError(
            f"an update of {batch} examples does not divide among {ranks} ranks; batch_size counts the examples of all "
            f"of them together, so write a multiple of {ranks}, e.g. {max(ranks, batch - batch % ranks)}"
        )
    return batch


def _length(
    task: str,
    known: KnownData | None,
    rows: int | None,
    batch: int,
    per_example: int | None,
    updates: int | None,
    epochs: float | None,
    tokens: float | None,
    assumed: list[Both],
) -> int:
    """The run in updates; of several ways to say it each must say the same."""
    if tokens is not None and task not in SEQUENCES:
        raise AdviceError(f"tokens is {tokens:g} and the task {task}, which has none; write updates or epochs")
    per_epoch = None if rows is None else -(-rows // batch)
    said: dict[str, int] = {}
    if updates is not None:
        said["updates"] = updates
    if epochs is not None:
        if per_epoch is None:
            raise AdviceError(
                f"epochs is {epochs:g} and nobody said how many rows the data have; write dataset_size (--data)"
            )
        said["epochs"] = max(1, round_half_up(Fraction(str(epochs)) * per_epoch))
    if tokens is not None:
        if per_example is None:
            raise AdviceError(
                f"tokens is {tokens:g} and nobody said how many a row has; write tokens_per_example (--sequence), the "
                f"length of a sequence"
            )
        said["tokens"] = max(1, round_half_up(Fraction(str(tokens)) / (batch * per_example)))
    if not said and known is not None and known.epochs is not None and per_epoch is not None:
        assumed.append(
            Both(
                f"{known.epochs} epochs, as is usual for {known.name}; nobody said how long",
                f"未说明训练长度，取 {known.name} 常用的 {known.epochs} 个周期",
            )
        )
        said["epochs"] = known.epochs * per_epoch
    if not said:
        raise AdviceError("nobody said how long the run is; write updates, epochs or tokens")
    (first, length), *others = said.items()
    for name, other in others:
        # A difference of one epoch's rounding is none.
        if abs(other - length) > max(1, AGREE * length):
            raise AdviceError(
                f"{first} and {name} disagree: they are {length} and {other} updates of {batch} examples; leave one out"
            )
    return length
