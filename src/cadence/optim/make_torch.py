"""Optimizers over parameters of torch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from cadence._errors import OptimizerError
from cadence.optim.find import Method
from cadence.optim.habits import BY_USE, MATRICES, REAL, SPARSE
from cadence.optim.settings import check_group
from cadence.optim.states import watch_loading
from cadence.optim.trained import Trained


def make(method: Method, what: Trained, given: Mapping[str, Any]) -> torch.optim.Optimizer:
    """An optimizer of a class of torch's kind.

    Args:
        method: what is made.
        what: is trained.
        given: checked arguments, `lr` among them.

    Raises:
        OptimizerError: parameters that the method cannot train, or settings that its class refuses.
    """
    for group in what.groups:
        own = {key: value for key, value in group.items() if key != "params"}
        check_group(method, own, list(method.parameters))
    _check_parameters(method, what)
    _check_average(method, what, given)
    try:
        made = method.make(_first(method, what), **given)
    except OptimizerError:
        raise
    except (TypeError, ValueError, RuntimeError) as refused:
        said = str(refused).splitlines()[0].rstrip(".")
        raise OptimizerError(f"the optimizer {method.name!r} refuses these settings: {said}; change them") from refused
    if not isinstance(made, torch.optim.Optimizer):
        raise OptimizerError(
            f"{method.name!r} made a {type(made).__name__}, which is no torch.optim.Optimizer; name a class derived "
            f"from it"
        )
    if method.source != "cadence":
        # Cadence's own look at what is loaded themselves.
        watch_loading(made, method.name)
    # Some begin in the mode for training and some do not; here they all do, as models do.
    if callable(begin := getattr(made, "train", None)):
        begin()
    return made


def _first(method: Method, what: Trained) -> Any:
    """The first argument of the class: parameters, or for a few methods the model."""
    wanted = next(iter(inspect.signature(method.make).parameters), "params")
    if wanted != "model" or method.source != "pytorch_optimizer":
        return what.entries
    if what.model is None:
        raise OptimizerError(
            f"the optimizer {method.name!r} looks at the names of the model's parts, and was given parameters; give it "
            f"the model"
        )
    return what.model


def _check_average(method: Method, what: Trained, given: Mapping[str, Any]) -> None:
    """Schedulefree divides by the share of the average, when it is switched for the first evaluation."""
    if method.source != "schedulefree":
        return
    for options in [given, *what.groups]:
        betas = options.get("betas", (0.9,))
        if options.get("momentum", 0.9) == 0 or betas[0] == 0:
            key = "momentum" if "momentum" in options else "betas[0]"
            raise OptimizerError(
                f"{key} of the optimizer {method.name!r} is 0, and its average cannot be told from the weights that it "
                f"trains then; write a share above 0, e.g. 0.9"
            )


def _check_parameters(method: Method, what: Trained) -> None:
    """Refuse parameters of which it is certain that the method cannot train them."""
    for name, p in what.named:
        if not p.is_floating_point() and not p.is_complex():
            raise OptimizerError(
                f"the parameter {name!r} for the optimizer {method.name!r} is {p.dtype}, which has no gradient; leave "
                f"whole numbers out"
            )
        if p.is_complex() and _only_real(method):
            raise OptimizerError(
                f"the parameter {name!r} is {p.dtype}, and the optimizer {method.name!r} works with real numbers; pass "
                f"it as torch.view_as_real(parameter), or choose another method, e.g. adamw"
            )
        if method.key in MATRICES and p.ndim != 2:
            raise OptimizerError(
                f"the optimizer {method.name!r} takes only matrices, and {name!r} has the shape {tuple(p.shape)}; give "
                f"it the matrices, and train the rest with another method, e.g. adamw"
            )
    if method.source == "pytorch_optimizer" and method.plain in BY_USE:
        _check_use(method, what)
    if what.model is not None:
        _check_sparse(method, what)


def _only_real(method: Method) -> bool:
    if method.source == "pytorch_optimizer":
        # Those that cannot raise this at their first step.
        return "NoComplexParameterError(" in inspect.getsource(method.make)
    return method.key in REAL


def _check_use(method: Method, what: Trained) -> None:
    if len(what.groups) < len(what.entries) or any("use_muon" not in group for group in what.groups):
        raise OptimizerError(
            f"the optimizer {method.name!r} wants groups that say which are for it: "
            f"[{{'params': matrices, 'use_muon': True}}, {{'params': others, 'use_muon': False}}]; write them so"
        )


def _check_sparse(method: Method, what: Trained) -> None:
    """What a layer's gradients will be is known before there are any."""
    layers = (torch.nn.Embedding, torch.nn.EmbeddingBag)
    trained = {id(p) for _, p in what.named}
    sparse = [
        f"{name}.weight".lstrip(".")
        for name, layer in what.model.named_modules()
        if isinstance(layer, layers) and layer.sparse and id(layer.weight) in trained
    ]
    if sparse and method.source != "import" and method.key not in SPARSE:
        raise OptimizerError(
            f"the gradients of {sparse[0]!r} are sparse, and the optimizer {method.name!r} takes dense ones; make the "
            f"layer with sparse=False, or choose sgd, adagrad or sparseadam"
        )
    if method.key == "torch:sparseadam" and not sparse:
        raise OptimizerError(
            f"the optimizer {method.name!r} takes only sparse gradients, and no layer of the "
            f"{type(what.model).__name__} gives them; make its embeddings with sparse=True, or choose adam"
        )
