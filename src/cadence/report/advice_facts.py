"""What a recommendation is for, as a list of facts."""

from __future__ import annotations

from cadence.advice.advice import Advice
from cadence.advice.counts import Counts
from cadence.advice.profile import Profile
from cadence.advice.shown import whole_epochs
from cadence.advice.task_kinds import TASKS
from cadence.advice.words import pick
from cadence.findings.finding import Both
from cadence.report.advice_words import WORDS
from cadence.report.markup import Markup, tag

_KINDS: tuple[tuple[str, Both], ...] = (
    ("convolutions", Both("convolutions", "卷积")),
    ("matrices", Both("matrices", "矩阵")),
    ("embeddings", Both("embeddings", "嵌入")),
    ("norms", Both("normalisation", "归一化")),
    ("biases", Both("biases", "偏置")),
)


def facts_list(advice: Advice, lang: str) -> Markup:
    """The profile as a description list.

    Args:
        advice: whose profile it is.
        lang: ``"en"`` or ``"zh"``.
    """
    items = [_item(key, text, lang) for key, text in _facts(advice.profile, lang) if text]
    return tag("dl", *items, class_="facts")


def _item(key: str, text: str, lang: str) -> Markup:
    kind = "long" if key == "fact_parts" else None
    return tag("div", tag("dt", pick(WORDS[key], lang)), tag("dd", text), class_=kind)


def _facts(profile: Profile, lang: str) -> list[tuple[str, str]]:
    zh = lang == "zh"
    counts = profile.model
    begin = pick(WORDS["tuned" if profile.fine_tuning else "scratch"], lang)
    hardware = [profile.hardware] if profile.hardware else []
    if profile.ranks > 1:
        hardware.append(f"{profile.ranks} 个进程" if zh else f"{profile.ranks} ranks")
    return [
        ("fact_task", pick(TASKS[profile.task], lang)),
        ("fact_model", f"{counts.trained:,}"),
        ("fact_parts", _parts(counts, lang)),
        ("fact_norms", "、".join(counts.normalisations) if zh else ", ".join(counts.normalisations)),
        ("fact_begin", begin),
        ("fact_length", _length(profile, zh=zh)),
        ("fact_batch", _batch(profile, zh=zh)),
        ("fact_data", _data(profile, zh=zh)),
        ("fact_hardware", ("，" if zh else ", ").join(hardware)),
    ]


def _parts(counts: Counts, lang: str) -> str:
    """Shares of the kinds of parameters, the largest first."""
    numbers = {name: int(getattr(counts, name)) for name, _ in _KINDS}
    told = sorted(((n, pick(text, lang)) for (name, text) in _KINDS if (n := numbers[name])), reverse=True)
    return ("，" if lang == "zh" else ", ").join(f"{text} {_share(n / counts.trained)}" for n, text in told)


def _share(x: float) -> str:
    return f"{100 * x:.2g}\u00a0%" if x < 0.995 else f"{100 * x:.0f}\u00a0%"


def _length(profile: Profile, *, zh: bool) -> str:
    text = f"{profile.updates:,} 次更新" if zh else f"{profile.updates:,} updates"
    if profile.epochs is not None:
        text += f"，{profile.epochs:.3g} 个周期" if zh else f", {profile.epochs:.3g} epochs"
    if profile.tokens is not None:
        text += f"，{profile.tokens:.3g} token" if zh else f", {profile.tokens:.3g} tokens"
    return text


def _batch(profile: Profile, *, zh: bool) -> str:
    text = f"{profile.batch_size:,}"
    if profile.ranks > 1:
        text += f"（每进程 {profile.batch_per_rank:,}）" if zh else f" ({profile.batch_per_rank:,} on each rank)"
    return text


def _data(profile: Profile, *, zh: bool) -> str:
    if profile.dataset_size is None or profile.passes is None:
        return ""
    text = f"{profile.dataset_size:,} 行" if zh else f"{profile.dataset_size:,} rows"
    passes = whole_epochs(profile) or profile.passes
    often = f"{passes:,.0f}" if passes >= 100 else f"{passes:.3g}"
    return text + (f"，使用 {often} 遍" if zh else f", used {often} times")
