"""The loss has stopped falling although the rate is still up, or was cut and stands."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.estimate import Estimate, improvement, level, roughness, slope
from cadence.diagnosis.log import Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import FEWEST, View
from cadence.findings.finding import Both

LONG = 0.5
"""Share of the run that must be level at its end."""

CALM = 0.004
"""Share of the loss by which evaluations differ at least where a rate shakes the weights."""

LEVEL = 0.04
"""Share of all that was gained, or of the loss, that may be gained there at most."""


@rule(
    "CL114",
    "stalled",
    Both("the loss has stalled", "损失停滞"),
    severity="warning",
    sound=Both(
        "The loss was still falling towards its end, or the rate had come down.",
        "损失在结束前仍在下降，或学习率已降下来。",
    ),
    after=(
        "divergence",
        "resume_jump",
        "rate_high",
        "wasted_tail",
        "plateau_eager",
        "plateau_late",
        "oscillation",
        "rate_low",
        "loss_scale",
        "over_fitting",
    ),
)
def stalled(view: View) -> Iterator[Found]:
    """The change of the loss over the last half of the run, with an interval, where the rate stands."""
    if view.loss is None or len(view.loss) < 10:
        raise CannotTell("the log has too few losses", "日志中的损失太少")
    first, end = view.whole_of(view.loss)
    since = end - LONG * (end - first)
    rate = view.rate_at(view.loss.between(since, end).t.astype(float))
    if not len(rate) or rate.min() < 0.75 * rate.max():
        return
    low = bool(rate.max() < 0.3)
    judged = view.val.between(since, end + 1) if view.val is not None else None
    if not low and judged is not None and len(judged) >= 4 and _calm(judged):
        # Weights that a rate holds up are shaken by it: what stands and is calm has been learnt.
        return
    gained = improvement(view.loss, since, end)
    many = judged is not None and len(judged) >= FEWEST - 2
    seen = _by_slope(judged, since, end + 1) if judged is not None and many else None
    if seen is not None and (gained is None or seen.half < gained.half):
        # Evaluations are of many examples; single batches say less.
        gained = seen
    if gained is None:
        raise CannotTell("the loss is too noisy to tell whether it still falls", "损失噪声太大，无法判断是否仍在下降")
    share = gained.value / max(view.gain, 1e-300)
    if view.val is not None and not level_now(view, view.val, since, end + 1):
        return
    if not low and not gained.high < (1.5 if judged is not None else 1.0) * LEVEL * view.gain:
        return
    if not level_now(view, view.loss, since, end) and (not many or _falls(view, since, end)):
        return
    yield _found(view, int(since), gained, share, float(rate.max()), low)


def _by_slope(series: Series, first: float, end: float) -> Estimate | None:
    """What half of a stretch gains, from the slope over all of it: of few numbers it tells more than two levels."""
    found = slope(series, first, end)
    half = (end - first) / 2
    return Estimate(-found.value * half, found.error * half, found.n) if found.error < float("inf") else None


def _calm(series: Series) -> bool:
    """Whether evaluations hardly differ from one to the next."""
    return roughness(series.values) < CALM * abs(float(series.values.mean()))


def _falls(view: View, since: float, end: float) -> bool:
    """Whether the training loss surely gains something that matters, whatever the evaluations say."""
    assert view.loss is not None
    gained = improvement(view.loss, since, end)
    return gained is not None and gained.low > 0 and gained.value > LEVEL * max(view.gain, 0.0)


def level_now(view: View, series: Series, first: float, end: float) -> bool:
    """Whether a loss gains nothing that matters in a stretch: by what was gained in all, and by its own size."""
    gained = improvement(series, first, end)
    if gained is not None and float(series.values.min()) > 0:
        shares = improvement(series, first, end, log=True)
        if shares is None or shares.high > 6 * LEVEL or shares.value > LEVEL:
            return False
    if gained is None:
        y = series.between(first, end).values
        half = len(y) // 2
        return len(y) < 4 or float(y[:half].mean() - y[half:].mean()) < LEVEL * max(view.gain, 1e-300)
    size = abs(level(series, first, end).value)
    much = max(LEVEL * view.gain, 0.0)
    # A loss that nears 0 falls by little, and is learnt all the same.
    if gained.low > 0 and gained.value > min(much, LEVEL * size):
        return False
    return gained.value < max(much, 0.5 * gained.half) and gained.high < max(3 * much, 4 * LEVEL * size)


def _found(view: View, since: int, gained: Estimate, share: float, rate: float, low: bool) -> Found:
    en = (
        f"From update {since} on the loss changed by {-gained.value:.2g} ({-gained.high:.2g} to {-gained.low:.2g}), "
        f"{share:.0%} of all it had gained, at {rate:.0%} of the peak rate."
    )
    zh = (
        f"从第 {since} 次更新起损失变化 {-gained.value:.2g}（{-gained.high:.2g} 至 {-gained.low:.2g}），占全部收益"
        f"的 {share:.0%}，"
        f"学习率为峰值的 {rate:.0%}。"
    )
    if low:
        fix = Both(
            "Cut the rate later or by less (gamma 0.3 to 0.5), or use a cosine, which is still at half the peak in "
            "the middle of the run; a larger minimum helps too.",
            "推迟或减小衰减（gamma 0.3 至 0.5），或使用 cosine，它在训练中点仍为峰值的一半；提高最小值也有帮助。",
        )
        effect = Both("The loss goes on falling after the cut.", "衰减之后损失继续下降。")
    else:
        fix = Both(
            'Let the rate come down: constant() >> decay("20%") or a cosine over the run. If the loss does not fall '
            "with it either, the model has learnt what it can: end the run earlier.",
            '让学习率降下来：constant() >> decay("20%")，或覆盖整个训练的 cosine。若损失仍不下降，说明模型已学到极限'
            "：提前结束。",
        )
        effect = Both(
            "The loss falls within a few updates of the decay, if the rate was what held it up.",
            "若停滞由学习率造成，衰减开始后几次更新内损失就会下降。",
        )
    return Found(
        Both(en, zh),
        Both(
            f"{view.end - since} of {view.end} updates brought nothing.",
            f"{view.end} 次更新中有 {view.end - since} 次没有收益。",
        ),
        fix,
        effect,
        Evidence(
            since,
            view.end - 1,
            Both("gain over the last stretch", "最后一段的收益"),
            gained.value,
            gained.low,
            gained.high,
            LEVEL * view.gain,
        ),
        Picture(
            ("loss", "lr"),
            since,
            view.end - 1,
            (since,),
            Both("the loss is level behind the mark", "标记之后损失水平不动"),
        ),
    )
