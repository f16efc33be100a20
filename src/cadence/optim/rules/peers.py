"""What the same methods do in other libraries, and which settings here give their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Peer:
    """One method of another library.

    Attributes:
        method: name of the rule here.
        name: its class or function, with its library.
        differs: what it does without being asked that the rule here does not; begins with a small letter, ends without
            a full stop.
        settings: of the rule here, for its numbers with its own defaults; None where no settings give them.
        options: for an argument of it, as it is written, the settings here that stand for it.
        remains: what stays apart, and why; as `differs`.
    """

    method: str
    name: str
    differs: str
    settings: Mapping[str, Any] | None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    remains: str = ""


_PADDLE_DIGITS = "it keeps its settings in single precision, also where parameters are in double"
_KERAS_DIGITS = "it keeps the rate in single precision"

PEERS: tuple[Peer, ...] = (
    # ---- LAMB --------------------------------------------------------------------------------------------------------
    Peer(
        "lamb",
        "optax.lamb",
        "has no weight decay by default; otherwise it is the paper's",
        {"weight_decay": 0.0},
        {"weight_decay=0.1": {"weight_decay": 0.1}, "eps_root=0.001": {"eps_root": 0.001}},
    ),
    Peer(
        "lamb",
        "timm.optim.Lamb",
        "scales the gradients of all groups together down to a norm of 1, and adapts only groups with weight decay",
        {"max_grad_norm": 1.0, "always_adapt": False},
        {
            "max_grad_norm=None": {"max_grad_norm": None},
            "weight_decay=0.0": {"weight_decay": 0.0},
            "always_adapt=True, weight_decay=0.0": {"always_adapt": True, "weight_decay": 0.0},
            "trust_clip=True": {"trust_clip": 1.0},
            "bias_correction=False": {"bias_correction": False},
            "grad_averaging=False": {"grad_averaging": False},
            "decoupled_decay=True": {"decoupled_decay": True},
        },
        "it counts the updates of a group, not of a tensor; `corrected_weight_decay=True` is a schedule of the weight "
        'decay here, `plan({"lr": s, "weight_decay": s})`; `caution=True` is another method (arXiv:2411.16085)',
    ),
    Peer(
        "lamb",
        "pytorch_optimizer.Lamb",
        "divides the rate by 1 - beta1^t instead of correcting the moments, so that the first steps are ten times as "
        "long as the rate says; lets |x| count for 10 at most; adds eps to |r|; decays outside of the trust ratio",
        {
            "weight_decay": 0.0,
            "bias_correction": False,
            "rate_correction": True,
            "norm_clip": 10.0,
            "ratio_eps": 1e-6,
            "decoupled_decay": True,
        },
        {
            "weight_decay=0.1": {"weight_decay": 0.1},
            "weight_decay=0.1, weight_decouple=False": {"weight_decay": 0.1, "decoupled_decay": False},
            "weight_decay=0.01, fixed_decay=True": {"weight_decay": 0.01, "independent_decay": True},
            "adam=True": {"adapt": False},
            "adam_debias=True": {"rate_correction": False},
            "grad_averaging=False": {"grad_averaging": False},
            "maximize=True": {"maximize": True},
        },
        "`pre_norm=True` is `max_grad_norm=1.0` but for an eps that is added to the norm, and changes `p.grad`; "
        "`rectify=True` is another method (arXiv:1908.03265)",
    ),
    Peer(
        "lamb",
        "keras.optimizers.Lamb",
        "has no weight decay by default, and decays outside of the trust ratio",
        {"eps": 1e-7, "weight_decay": 0.0, "decoupled_decay": True},
        {"weight_decay=0.1": {"weight_decay": 0.1}},
        _KERAS_DIGITS,
    ),
    Peer(
        "lamb",
        "paddle.optimizer.Lamb",
        "adapts only parameters with weight decay",
        {"always_adapt": False},
        {
            "lamb_weight_decay=0.0": {"weight_decay": 0.0},
            "always_adapt=True, lamb_weight_decay=0.0": {"always_adapt": True, "weight_decay": 0.0},
        },
        f"{_PADDLE_DIGITS}: 1 - 0.999 has five digits there, and its first steps are off by 7e-6",
    ),
    # ---- LARS --------------------------------------------------------------------------------------------------------
    Peer(
        "lars",
        "optax.lars",
        "divides by |g + weight_decay * x|; has no weight decay by default",
        {"weight_decay": 0.0, "joint_norm": True},
        {
            "weight_decay=0.1": {"weight_decay": 0.1},
            "trust_coefficient=0.1, momentum=0.5": {"trust": 0.1, "momentum": 0.5},
            "nesterov=True, eps=0.001": {"nesterov": True, "eps": 0.001},
        },
    ),
    Peer(
        "lars",
        "timm.optim.Lars",
        "adapts only groups with weight decay, and has neither that nor momentum by default: it is plain gradient "
        "descent then; x moves by lr * b",
        {"momentum": 0.0, "weight_decay": 0.0, "eps": 1e-8, "rate_in_momentum": False, "always_adapt": False},
        {
            "momentum=0.9, weight_decay=0.01": {"momentum": 0.9, "weight_decay": 0.01},
            "momentum=0.9, always_adapt=True": {"momentum": 0.9, "always_adapt": True},
            "momentum=0.9, weight_decay=0.01, dampening=0.3": {"momentum": 0.9, "weight_decay": 0.01, "dampening": 0.3},
            "momentum=0.9, weight_decay=0.01, nesterov=True": {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True},
            "trust_coeff=0.1, weight_decay=0.01, trust_clip=True": {
                "trust": 0.1,
                "weight_decay": 0.01,
                "clip_by_rate": True,
            },
        },
    ),
    Peer(
        "lars",
        "pytorch_optimizer.LARS",
        "neither adapts nor decays tensors of one dimension (here: a group of them with `adapt=False, "
        "weight_decay=0`); x moves by lr * b; has no weight decay by default",
        {"weight_decay": 0.0, "rate_in_momentum": False},
        {
            "weight_decay=0.1": {"weight_decay": 0.1},
            "weight_decay=0.1, nesterov=True": {"weight_decay": 0.1, "nesterov": True},
            "trust_coefficient=0.1": {"trust": 0.1},
            "maximize=True": {"maximize": True},
        },
        "`dampening` acts on the first update too; where a gradient is 0 and there is weight decay, its ratio is "
        "trust / weight_decay",
    ),
    Peer(
        "lars",
        "paddle.incubate.optimizer.LarsMomentumOptimizer",
        "adapts only parameters with weight decay",
        {"weight_decay": 5e-4, "always_adapt": False},
        {"lars_weight_decay=0.0": {"weight_decay": 0.0}, "epsilon=0.5": {"eps": 0.5}},
        _PADDLE_DIGITS,
    ),
    # ---- AdaBound ----------------------------------------------------------------------------------------------------
    Peer(
        "adabound",
        "adabound.AdaBound",
        "is the rule here (the authors' own code)",
        {},
        {},
        "its base rates are those of the constructor: they are not saved, and a group that is added later is never "
        "updated",
    ),
    Peer(
        "adabound",
        "adabound.AdaBoundW",
        "multiplies x by 1 - weight_decay, whatever the rate (the authors' own code)",
        {"independent_decay": True},
    ),
    Peer(
        "adabound",
        "pytorch_optimizer.AdaBound",
        "adds 1e-15 to the second moment, under the root; decays by 1 - lr * weight_decay",
        {"decoupled_decay": True, "eps_root": 1e-15},
        {
            "weight_decay=0.1": {"weight_decay": 0.1},
            "weight_decay=0.1, weight_decouple=False": {"weight_decay": 0.1, "decoupled_decay": False},
            "weight_decay=0.01, fixed_decay=True": {"weight_decay": 0.01, "independent_decay": True},
            "ams_bound=True": {"amsbound": True},
            "final_lr=0.01, gamma=0.1": {"final_lr": 0.01, "gamma": 0.1},
            "maximize=True": {"maximize": True},
        },
        "its base rates are those of the constructor: they are not saved, and a step after a group was added fails",
    ),
    # ---- RMSprop -----------------------------------------------------------------------------------------------------
    Peer(
        "rmsprop",
        "torch.optim.RMSprop",
        "is the rule here",
        {},
        {
            "momentum=0.9": {"momentum": 0.9},
            "centered=True, weight_decay=0.1": {"centered": True, "weight_decay": 0.1},
            "centered=True, momentum=0.9": {"centered": True, "momentum": 0.9},
            "alpha=0.5, eps=0.001, maximize=True": {"alpha": 0.5, "eps": 0.001, "maximize": True},
        },
        "centered, a variance that rounding makes negative leaves its parameter not a number; here it counts as 0",
    ),
    Peer(
        "rmsprop",
        "timm.optim.RMSpropTF",
        "begins with a mean of squares of 1, adds eps under the root, and has the rate in the momentum",
        {"alpha": 0.9, "eps": 1e-10, "eps_in_root": True, "rate_in_momentum": True, "initial_square": 1.0},
        {
            "momentum=0.9": {"momentum": 0.9},
            "momentum=0.9, lr_in_momentum=False": {"momentum": 0.9, "rate_in_momentum": False},
            "centered=True, weight_decay=0.1": {"centered": True, "weight_decay": 0.1},
        },
    ),
    Peer(
        "rmsprop",
        "optax.rmsprop",
        "adds eps under the root, and has the rate in the momentum",
        {"alpha": 0.9, "eps_in_root": True, "rate_in_momentum": True},
        {
            "momentum=0.9": {"momentum": 0.9},
            "centered=True": {"centered": True},
            "eps_in_sqrt=False": {"eps_in_root": False},
            "initial_scale=1.0": {"initial_square": 1.0},
        },
        "`bias_correction=True` and `nesterov=True` have no setting here",
    ),
    Peer(
        "rmsprop",
        "keras.optimizers.RMSprop",
        "adds eps under the root, and has the rate in the momentum",
        {"alpha": 0.9, "eps": 1e-7, "eps_in_root": True, "rate_in_momentum": True},
        {"momentum=0.9": {"momentum": 0.9}, "centered=True": {"centered": True}},
        _KERAS_DIGITS,
    ),
    Peer(
        "rmsprop",
        "paddle.optimizer.RMSProp",
        "adds eps under the root, and has the rate in the momentum",
        {"alpha": 0.95, "eps": 1e-6, "eps_in_root": True, "rate_in_momentum": True},
        {"momentum=0.5": {"momentum": 0.5}, "momentum=0.5, centered=True": {"momentum": 0.5, "centered": True}},
        _PADDLE_DIGITS,
    ),
    # ---- Adagrad -----------------------------------------------------------------------------------------------------
    Peer(
        "adagrad",
        "torch.optim.Adagrad",
        "is the rule here",
        {},
        {
            "lr_decay=0.1, weight_decay=0.1": {"lr_decay": 0.1, "weight_decay": 0.1},
            "initial_accumulator_value=0.3, eps=0.001": {"initial_accumulator_value": 0.3, "eps": 0.001},
            "maximize=True": {"maximize": True},
        },
    ),
    Peer(
        "adagrad",
        "optax.adagrad",
        "begins with a sum of 0.1, and adds eps under the root",
        {"initial_accumulator_value": 0.1, "eps": 1e-7, "eps_in_root": True},
    ),
    Peer(
        "adagrad",
        "keras.optimizers.Adagrad",
        "begins with a sum of 0.1, and adds eps under the root",
        {"initial_accumulator_value": 0.1, "eps": 1e-7, "eps_in_root": True},
        {},
        _KERAS_DIGITS,
    ),
    Peer("adagrad", "paddle.optimizer.Adagrad", "has another default of eps", {"eps": 1e-6}, {}, _PADDLE_DIGITS),
    # ---- AdamW -------------------------------------------------------------------------------------------------------
    Peer(
        "adamw",
        "torch.optim.AdamW",
        "is the rule here",
        {},
        {
            "amsgrad=True, weight_decay=0.1": {"amsgrad": True, "weight_decay": 0.1},
            "betas=(0.5, 0.9), eps=0.001, maximize=True": {"betas": (0.5, 0.9), "eps": 0.001, "maximize": True},
        },
    ),
    Peer("adamw", "optax.adamw", "has another default of the weight decay", {"weight_decay": 1e-4}),
    Peer("adamw", "paddle.optimizer.AdamW", "is the rule here", {}, {}, _PADDLE_DIGITS),
    Peer(
        "adamw",
        "keras.optimizers.AdamW",
        "adds eps to the root before that is corrected, which is up to 30 times as much in the first updates",
        None,
        {},
        "no setting here gives that; where gradients are far above eps it is `weight_decay=0.004, eps=1e-7`",
    ),
)
"""Peers by method. Their versions are those that the tests run with."""
