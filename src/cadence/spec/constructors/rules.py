"""Rules that follow a metric. A rule stands in a product: `constant() * plateau("val_loss")`."""

from __future__ import annotations

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence.spec.catalogue import constructor
from cadence.spec.nodes import EarlyStop, Plateau, Schedule, guess_mode
from cadence.spec.shown import shown
from cadence.spec.span import Span, SpanLike, evaluations, span
from cadence.spec.value import Value, number_of, value_of

NAN = ("error", "bad", "ignore")
THRESHOLD_MODES = ("rel", "abs", "signed")
INFINITE = ("bad", "best", "first")


@constructor(
    formula="factor ** (number of cuts so far)",
    source="He et al. 2016, arXiv:1512.03385, section 3.4; torch ReduceLROnPlateau",
    when="Nobody knows the length of the run; data that changes; after a warmup.",
    avoid="With a noisy metric and a short patience: noise cuts the rate. Use patience, cooldown or significance.",
    example="warmup('5%') >> constant() * plateau('val_loss', factor=0.5, patience=3)",
    family="adaptive",
)
def plateau(
    metric: str,
    *,
    factor: float = 0.1,
    patience: SpanLike = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: SpanLike = 0,
    minimum: Value = 0.0,
    mode: str | None = None,
    nan: str = "error",
    significance: float | None = None,
    least_change: float = 0.0,
    infinite: str = "bad",
    deaf: bool = False,
) -> Schedule:
    """Multiplied by `factor` when the metric has stopped improving.

    Args:
        metric: name under which `observe` reports it, e.g. ``"val_loss"``.
        factor: in (0, 1).
        patience: evaluations without improvement that are borne (an int), or a length such as ``"3 epochs"``. The cut
            comes with observation patience + 1, as in torch.
        threshold: smallest change that counts as an improvement, at least 0.
        threshold_mode: ``"rel"``: a share of the best so far, of its size; ``"abs"``: in the metric's own unit;
            ``"signed"``: a share of the best itself, as torch takes it: above a negative best in mode min, so that the
            same number again counts as an improvement.
        cooldown: evaluations, or a length, after a cut in which nothing is counted.
        minimum: the product is never cut below this multiple of the base (or `absolute`).
        mode: ``"min"`` or ``"max"``; taken from the name where it contains loss, error, perplexity, acc, f1, auc,
            bleu or map.
        nan: what a metric that is not a number means: ``"error"``, ``"bad"`` (no improvement), ``"ignore"``.
        significance: when given (e.g. 0.05), no cut as long as the observations since the last cut still improve by
            a one-sided Mann-Kendall trend test at this level: a lucky best in the past does not cut the rate.
        least_change: a cut that would change the value by no more than this, absolute, is not made (torch's eps).
        infinite: what an infinite metric at the good end means: ``"bad"`` (no improvement), or ``"best"``, as in
            torch: it is the best for ever; ``"first"``, as in paddle: that too, and so is the first metric, whatever it
            is.
        deaf: during a cooldown not even an improvement is heard (as in paddle), so that the best is that from before.

    Raises:
        SpecError: a value out of its range, or a metric whose direction its name does not tell.

    Example:
        >>> from cadence import constant
        >>> constant() * plateau("val_loss", factor=0.5, patience=3)
        constant() * plateau('val_loss', factor=0.5, patience=3)
    """
    ratio = number_of(factor, "factor of plateau")
    if not 0 < ratio < 1:
        raise SpecError(f"factor of plateau is {ratio:g}; a cut needs a factor above 0 and below 1, e.g. 0.5")
    return Plateau(
        _metric(metric, "plateau"), ratio, _patience(patience, "patience of plateau"),
        number_of(threshold, "threshold of plateau"), _one_of(threshold_mode, THRESHOLD_MODES, "threshold_mode"),
        _patience(cooldown, "cooldown of plateau"), value_of(minimum, "minimum of plateau"), _mode(metric, mode),
        _one_of(nan, NAN, "nan"), _level(significance), number_of(least_change, "least_change of plateau"),
        _one_of(infinite, INFINITE, "infinite"),
        _choice(deaf, "deaf of plateau"),
    )  # fmt: skip


@constructor(
    formula="1, until the run stops",
    source="Prechelt 1998, 'Early stopping - but when?'",
    when="Over-fitting is expected and evaluations are cheap; together with a plateau of shorter patience.",
    avoid="At once, while the rate is high: the best part of a run is its end. Write then='cooldown 10%'.",
    example="constant() * early_stop('val_loss', patience=5)",
    family="adaptive",
)
def early_stop(
    metric: str,
    *,
    patience: SpanLike = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    mode: str | None = None,
    nan: str = "error",
    significance: float | None = None,
    then: str | None = None,
) -> Schedule:
    """Ends the run when the metric has stopped improving.

    Args:
        metric, patience, threshold, threshold_mode, mode, nan, significance: as for `plateau`.
        then: ``"cooldown 10%"``: the run does not end at once; from there on the rate falls to 0 along 1-sqrt over that
            length (a share is of the run, and no fall is longer than what is left of it), and the run ends there.

    Example:
        >>> early_stop("val_accuracy", patience="5 epochs", then="cooldown 10%")
        early_stop('val_accuracy', patience='5 epochs', then='cooldown 10%')
    """
    return EarlyStop(
        _metric(metric, "early_stop"), _patience(patience, "patience of early_stop"),
        number_of(threshold, "threshold of early_stop"), _one_of(threshold_mode, THRESHOLD_MODES, "threshold_mode"),
        _mode(metric, mode), _one_of(nan, NAN, "nan"), _level(significance), _cooldown(then),
    )  # fmt: skip


def _metric(metric: object, of: str) -> str:
    if not isinstance(metric, str) or not metric.strip():
        raise SpecError(f"{of} needs the name of a metric first, e.g. {of}('val_loss'), not {shown(metric)}")
    return metric


def _mode(metric: str, mode: str | None) -> str:
    if mode is not None:
        return _one_of(mode, ("min", "max"), "mode")
    guessed = guess_mode(metric)
    if guessed is None:
        raise SpecError(f"the name {metric!r} does not tell whether less is better; write mode='min' or mode='max'")
    return guessed


def _patience(x: SpanLike, what: str) -> Span:
    if not isinstance(x, (str, Span)):
        return evaluations(x, what)
    length = span(x, what)
    if length.unit == "%":
        raise SpecError(f"{what} is {length}; write a number of evaluations or a length such as '3 epochs'")
    return length


def _level(x: float | None) -> float | None:
    if x is None:
        return None
    level = number_of(x, "significance")
    if not 0 < level < 0.5:
        raise SpecError(f"significance is {level:g}; it is a probability above 0 and below 0.5, e.g. 0.05")
    return level


def _cooldown(then: object) -> Span | None:
    if then is None:
        return None
    word, _, length = then.strip().partition(" ") if isinstance(then, str) else ("", "", "")
    if word != "cooldown" or not length:
        raise SpecError(f"then of early_stop is {shown(then)}; write the length of a fall to 0, e.g. 'cooldown 10%'")
    found = span(length, "the cooldown of early_stop")
    if not found.amount:
        raise SpecError("the cooldown of early_stop has no length; leave then out, so that the run stops at once")
    return found


def _choice(x: object, what: str) -> bool:
    if not isinstance(x, bool):
        raise SpecError(f"{what} is True or False, not {shown(x)}")
    return x


def _one_of(x: object, known: tuple[str, ...], what: str) -> str:
    if x not in known:
        raise UnknownNameError(f"{what} cannot be {shown(x)}; {neighbours(shown(x), known)}")
    return str(x)
