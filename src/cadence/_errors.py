"""Every exception that cadence raises on purpose.

Each sits under `CadenceError` and under the built-in it resembles, so that both `except CadenceError` and
`except ValueError` work. A message says what is wrong, with the value, and then what to write instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CadenceError(Exception):
    """Base of everything below. The command line prints its text as one sentence and exits with status 2."""


class SpecError(CadenceError, ValueError):
    """A schedule, a span, a value or a formula that cannot mean anything."""


class UnknownNameError(SpecError, KeyError):
    """A name that nothing is registered under; the message lists its neighbours."""

    # KeyError prints the repr of its argument; a sentence should be printed as it is.
    __str__ = Exception.__str__


class HorizonError(CadenceError, ValueError):
    """A schedule that does not fit its run, or a unit that the run cannot resolve."""


class FeedbackError(CadenceError, ValueError):
    """An observation that a rule cannot use."""


class StateError(CadenceError, ValueError):
    """A saved state that does not belong to what it is loaded into."""


class ConversionError(CadenceError, ValueError):
    """A schedule that has no equal on the other side, or arguments that its own framework would refuse."""


class ScriptError(CadenceError, ValueError):
    """A training script that cannot be read, or that does not say what was asked of it."""


class DriverError(CadenceError, TypeError):
    """A call that a driver or an adapter cannot honour."""


class OptimizerError(CadenceError, ValueError):
    """Optimizer settings, parameters or gradients that a method cannot work with."""


class RecipeError(CadenceError, ValueError):
    """A recipe file with an unknown key, a wrong value or a missing thing."""


class TaskError(CadenceError, ValueError):
    """A task or data set that cannot be built."""


class RecordError(CadenceError, ValueError):
    """A run folder that cannot be read or written."""


class SearchError(CadenceError, ValueError):
    """A search whose space, study or database cannot be used."""


class AdviceError(CadenceError, ValueError):
    """A description of a training that contradicts itself, or a recommendation that cannot be made or followed."""


class DivergedError(CadenceError, ArithmeticError):
    """A training whose loss is no longer a finite number."""


class RanksError(CadenceError, RuntimeError):
    """Processes that train together and do not agree, or one of which is gone."""


class ClusterError(CadenceError, RuntimeError):
    """A cluster that does not answer, has no room for a run, or is lost."""


class CompilerError(CadenceError, RuntimeError):
    """There is no C compiler on the machine, or it does not make what was asked of it."""


class MissingExtraError(CadenceError, ImportError):
    """An optional library that is not installed; the message is the command that installs it."""


def neighbours(name: str, known: Iterable[str]) -> str:
    """Half a sentence that names what `name` may have meant.

    Args:
        name: the unknown name.
        known: all names that would have been right.

    Returns:
        ``"did you mean 'cosine'?"`` where something is near, else ``"known are: ..."``.

    Example:
        >>> neighbours("cosin", ["cosine", "linear"])
        "did you mean 'cosine'?"
        >>> neighbours("zzz", ["cosine", "linear"])
        'known are: cosine, linear'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    return "known are: " + ", ".join(names)
