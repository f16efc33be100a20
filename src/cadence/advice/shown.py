"""Advice as text: each choice with its value and confidence, why, on whose word, and what others say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadence.advice.choice import CONFIDENCE, Alternative, Choice
from cadence.advice.profile import Profile
from cadence.advice.task_kinds import TASKS
from cadence.advice.words import CONFIDENCE_NAMES, FIELD_NAMES, KIND_NAMES, cells, pick, value_text, wrapped
from cadence.findings.finding import Both

if TYPE_CHECKING:
    from cadence.advice.advice import Advice

WIDTH = 100

_INDENT = 17

_T: dict[str, Both] = {
    "rules": Both("Recommended by rules alone, for {about}.", "仅凭规则推荐：{about}。"),
    "pilot": Both(
        "Recommended by rules and a pilot of {used} updates ({share} % of the run), for {about}.",
        "凭规则和 {used} 次更新的试跑（占全程 {share}%）推荐：{about}。",
    ),
    "or": Both("or {value} ({source}): {decides}", "或 {value}（{source}）：{decides}"),
    "source": Both("{kind}: {text}", "{kind}：{text}"),
    "open": Both("would tell: {pilot}", "可判断：{pilot}"),
    "assumed": Both("Taken for granted", "默认假定"),
    "notes": Both("Mind this", "请注意"),
    "unknown": Both("Not known", "尚不清楚"),
    "words": Both("What the words mean", "用词说明"),
    "cost": Both(
        "Cost: {updates} updates of {batch} examples; the pilot takes {pilot} more",
        "代价：{updates} 次更新，每次 {batch} 个样本；试跑另需 {pilot} 次",
    ),
    "cost_rules": Both(
        "Cost: {updates} updates of {batch} examples; a pilot would take up to {pilot} more",
        "代价：{updates} 次更新，每次 {batch} 个样本；若试跑则最多另需 {pilot} 次",
    ),
    "trials": Both("The pilot", "试跑"),
    "trial": Both("{rate}: {updates} updates, loss {loss}{probe}", "{rate}：{updates} 次更新，损失 {loss}{probe}"),
    "probe": Both(", on unused data {x}", "，未使用数据上 {x}"),
    "diverged": Both("diverged", "发散"),
}


def shown(advice: Advice, lang: str = "en", width: int = WIDTH) -> str:
    """The whole advice.

    Args:
        advice: what to show.
        lang: ``"en"`` or ``"zh"``.
        width: columns to fit into.
    """
    lines = [*wrapped(headline(advice, lang), width), *wrapped(facts(advice.profile, lang), width), ""]
    for choice in advice.choices:
        lines += [*_choice(choice, lang, width), ""]
    lines += _section("trials", trials(advice, lang), lang, width)
    lines += _section("notes", [pick(note, lang) for note in advice.notes], lang, width)
    lines += _section("assumed", [pick(text, lang) for text in advice.profile.assumed], lang, width)
    lines += _section("unknown", open_questions(advice, lang), lang, width)
    lines += _section("words", confidence_words(advice, lang), lang, width)
    return "\n".join([*lines, *wrapped(cost(advice, lang), width)])


def headline(advice: Advice, lang: str) -> str:
    """What it stands on, and what it is for."""
    about = pick(advice.practice.about, lang)
    if advice.piloted is None:
        return pick(_T["rules"], lang).format(about=about)
    share = f"{100 * advice.piloted.used / advice.profile.updates:.3g}"
    return pick(_T["pilot"], lang).format(about=about, used=advice.piloted.used, share=share)


def facts(profile: Profile, lang: str) -> str:
    """The profile in one sentence."""
    zh = lang == "zh"
    counts = profile.model
    parts = [
        f"{counts.kind}：{counts.trained:,} 个可训练参数"
        if zh
        else f"{counts.kind}: {counts.trained:,} trained parameters",
        pick(TASKS[profile.task], lang),
        f"{profile.updates:,} 次更新 × {profile.batch_size:,}"
        if zh
        else f"{profile.updates:,} updates of {profile.batch_size:,}",
    ]
    if profile.dataset_size is not None and profile.passes is not None:
        rows, passes = f"{profile.dataset_size:,}", whole_epochs(profile) or profile.passes
        parts.append(f"{rows} 行数据，{passes:.3g} 遍" if zh else f"{rows} rows, {_passes(passes)}")
    if profile.tokens is not None and profile.tokens_per_parameter is not None:
        each = f"{profile.tokens_per_parameter:.3g}"
        parts.append(f"每参数 {each} 个 token" if zh else f"{each} tokens for each parameter")
    if profile.ranks > 1:
        parts.append(f"{profile.ranks} 个进程" if zh else f"{profile.ranks} ranks of {profile.batch_per_rank}")
    return "，".join(parts) + "。" if zh else ", ".join(parts) + "."


def whole_epochs(profile: Profile) -> float | None:
    """The length in epochs, where that is a whole number: the last update of each may be a partial one, and still is
    counted as full where rows are counted by updates.

    Args:
        profile: of the training.
    """
    epochs = profile.epochs
    return epochs if epochs is not None and epochs == int(epochs) else None


def _passes(x: float) -> str:
    return f"{x:,.0f} passes" if x >= 100 else f"{x:.3g} pass{'' if x == 1 else 'es'}"


def source_text(choice: Choice | Alternative, lang: str) -> str:
    """The kind of source and its name."""
    source = choice.source
    if source.kind == "given":
        return pick(KIND_NAMES["given"], lang)
    return pick(_T["source"], lang).format(kind=pick(KIND_NAMES[source.kind], lang), text=source.text)


def alternative_value(field: str, value: object, lang: str) -> str:
    """The value of an alternative."""
    return value if isinstance(value, str) else value_text(field, value, known=True, lang=lang)


def trials(advice: Advice, lang: str) -> list[str]:
    """One line for each short training of the pilot."""
    if advice.piloted is None:
        return []
    made: list[str] = []
    for one in sorted(advice.piloted.trials, key=lambda trial: (trial.updates, trial.rate)):
        loss = pick(_T["diverged"], lang) if one.diverged else f"{one.loss:.4g}"
        probe = "" if one.probe is None or one.diverged else pick(_T["probe"], lang).format(x=f"{one.probe:.4g}")
        made.append(pick(_T["trial"], lang).format(rate=f"{one.rate:.3g}", updates=one.updates, loss=loss, probe=probe))
    return made


def open_questions(advice: Advice, lang: str) -> list[str]:
    """What is not known, with what would tell."""
    colon = "：" if lang == "zh" else ": "
    return [
        f"{pick(FIELD_NAMES[choice.field], lang)}{colon}{pick(choice.pilot, lang)}"
        for choice in advice.open
        if choice.pilot is not None
    ]


def confidence_words(advice: Advice, lang: str) -> list[str]:
    """The levels of confidence that occur, and what they mean."""
    colon = "：" if lang == "zh" else ": "
    used = {choice.confidence for choice in advice.choices}
    return [
        f"{pick(CONFIDENCE_NAMES[x], lang)}{colon}{pick(text, lang)}" for x, text in CONFIDENCE.items() if x in used
    ]


def cost(advice: Advice, lang: str) -> str:
    """What the run takes, and what the pilot takes besides."""
    own, piloted = advice.profile, advice.piloted
    key = "cost_rules" if piloted is None else "cost"
    pilot = max(1, own.updates // 10) if piloted is None else piloted.used
    stop = "。" if lang == "zh" else "."
    return (
        pick(_T[key], lang).format(updates=f"{own.updates:,}", batch=f"{own.batch_size:,}", pilot=f"{pilot:,}") + stop
    )


def _choice(choice: Choice, lang: str, width: int) -> list[str]:
    name = pick(FIELD_NAMES[choice.field], lang)
    value = value_text(choice.field, choice.value, known=choice.known, lang=lang)
    level = pick(CONFIDENCE_NAMES[choice.confidence], lang)
    head = name + " " * max(1, _INDENT - cells(name))
    first = wrapped(f"{value}  [{level}]", width - _INDENT)
    lines = [head + first[0], *_indented(first[1:], _INDENT)]
    lines += _indented(wrapped(pick(choice.reason, lang), width - _INDENT), _INDENT)
    if choice.source.kind != "given":
        lines += _indented(wrapped(f"— {source_text(choice, lang)}", width - _INDENT), _INDENT)
    for other in choice.alternatives:
        told = pick(_T["or"], lang).format(
            value=alternative_value(choice.field, other.value, lang), source=other.source,
            decides=pick(other.decides, lang),
        )  # fmt: skip
        lines += _indented(wrapped(told, width - _INDENT - 2), _INDENT + 2)
    return lines


def _indented(lines: list[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _section(key: str, items: list[str], lang: str, width: int) -> list[str]:
    if not items:
        return []
    lines = [pick(_T[key], lang) + ("：" if lang == "zh" else ":")]
    for item in items:
        first, *rest = wrapped(item, width - 4) or [""]
        lines += [f"  • {first}", *_indented(rest, 4)]
    return [*lines, ""]
