"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from cadence.optim.find import all_names, find
from cadence.optim.settings import check_arguments
from cadence.optim.trained import Framework, trained

if TYPE_CHECKING:
    import paddle
    from torch import Tensor, nn
    from torch.optim import Optimizer

    TorchParameters: TypeAlias = nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
    PaddleParameters: TypeAlias = paddle.nn.Layer | Iterable[paddle.Tensor] | Iterable[tuple[str, paddle.Tensor]]


@overload
def optimizer(name: str, params: TorchParameters, /, *, lr: float | Tensor, **arguments: Any) -> Optimizer: ...


@overload
def optimizer(name: str, params: PaddleParameters, /, *, lr: Any, **arguments: Any) -> paddle.optimizer.Optimizer: ...


def optimizer(name: str, params: Any, /, *, lr: Any, **arguments: Any) -> Any:
    """Make an optimizer, for torch or paddle by what it is to train.

    A name means the first that has it of: cadence's own methods, the framework's, schedulefree's, pytorch_optimizer's.
    cadence's ``adamw`` and ``adagrad`` are made where an argument asks for what only they can do. A source can be
    named: ``"torch:adamw"``, ``"pytorch_optimizer:lamb"``, ``"schedulefree:schedule_free_sgd"``.

    Args:
        name: ``"sgd"``, ``"adamw"``, ``"lamb"`` or any other of `optimizer_names()`; or a class by its import path,
            ``"package.module:Class"``.
        params: a model, whose trainable parameters are taken; or parameters; or dicts that describe groups of them. A
            group's ``lr`` is a rate in both frameworks. (paddle's own ``learning_rate`` of a group is a multiple.)
        lr: learning rate, 0 or more. With torch also a tensor, which is kept, and filled by whoever schedules it; with
            paddle also a scheduler, as `cadence.paddle_scheduler` makes them.
        arguments: of the method, under torch's names, also with paddle: ``betas=(0.9, 0.95)``, ``eps``, ``momentum``,
            ``nesterov``, ``weight_decay``. What is left out is torch's default with both. What only one framework has
            goes by its own name: ``fused=True``, ``grad_clip=...``.

    Returns:
        An optimizer that has made no step; one that is switched (schedule-free methods) is in the mode for training.

    Raises:
        OptimizerError: there is no such optimizer or argument, a value is out of range, or the parameters cannot be
            trained by the method: none, an empty group, complex ones, sparse gradients, other shapes than matrices.
        MissingExtraError: the framework, or the library that has the method, is not installed.

    Single methods:
        *lbfgs* steps only with a closure, *sparseadam* takes only sparse gradients, *muon* only matrices.

        *Schedule-free methods* (``schedule_free_adamw``, ...) keep two sets of weights. ``optimizer.eval()`` comes
        before evaluations and before saving the model, ``optimizer.train()`` before going on; `cadence.train` does it,
        and `cadence.drive` raises where it was forgotten. They want a warmup at most, no schedule. Batch
        normalisation has gathered its statistics with the other weights: before evaluating, pass some training batches
        through the model in training mode, with the optimizer in evaluation mode.

        *prodigy* and *dadapt...* find the rate themselves, and multiply it by `lr`: 1.0 unless there is a reason.

        *adafactor* of torch steps at min(lr, 1 / sqrt(t)) times the size of the weights; pytorch_optimizer's has a rate
        of its own unless ``relative_step=False``.

        torch chooses between its implementations; ``fused=True`` is about three times as fast as its loop on a CPU,
        rounds differently, takes no sparse gradients, and hides from step hooks which updates a gradient scaler
        skipped.

        paddle's *rmsprop* adds eps under the root: it is given eps squared, which is the same least divisor.

    A state of another method, which torch would load in silence, is a StateError.

    Example:
        >>> "sgd" in optimizer_names()
        True
        >>> import torch
        >>> optimizer("sgd", torch.nn.Linear(2, 1), lr=0.1, momentum=0.9).defaults["momentum"]
        0.9
        >>> optimizer("sgd", torch.nn.Linear(2, 1), lr=0.1, momentun=0.9)
        Traceback (most recent call last):
        cadence._errors.OptimizerError: the optimizer 'sgd' has no argument 'momentun'; did you mean 'momentum'?
    """
    what = trained(name, params)
    # A group's `name` is its own in both frameworks, while classes for paddle have an argument of that name.
    method = find(name, what.framework, arguments.keys() | (what.keys - {"name"}))
    if what.framework == "paddle":
        from cadence.optim import make_paddle

        return make_paddle.make(method, what, lr, arguments)
    from cadence.optim import make_torch

    return make_torch.make(method, what, check_arguments(method, lr, arguments))


def optimizer_names(framework: Framework = "torch") -> list[str]:
    """Every name that `optimizer` knows for a framework, sorted; also of libraries that may not be installed.

    Example:
        >>> [name for name in optimizer_names() if name.startswith("schedule_free_sgd")]
        ['schedule_free_sgd', 'schedule_free_sgd_closure', 'schedule_free_sgd_reference']
    """
    return all_names(framework)


def optimizer_class(name: str, framework: Framework = "torch") -> Callable[..., Any]:
    """The class that a name stands for where no argument asks for another.

    Args:
        name: as for `optimizer`.
        framework: of the parameters.

    Raises:
        OptimizerError: there is none.
        MissingExtraError: the framework, or the library that has the method, is not installed.

    Example:
        >>> optimizer_class("lamb").__name__
        'Lamb'
    """
    return find(name, framework).make


def check_optimizer(name: str, *, lr: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check everything about an optimizer for torch that can be known without parameters.

    Args:
        name, lr, arguments: as for `optimizer`.

    Returns:
        The arguments of the class, with `lr`; lists as tuples where the class has a tuple.

    Raises:
        OptimizerError: there is no such optimizer or argument, or a value is no number where the class has one.

    Example:
        >>> check_optimizer("adamw", lr=0.001, arguments={"betas": [0.9, 0.95]})
        {'lr': 0.001, 'betas': (0.9, 0.95)}
    """
    return check_arguments(find(name, "torch", arguments.keys()), lr, arguments)
