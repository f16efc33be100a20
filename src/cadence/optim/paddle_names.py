"""How paddle spells what torch's methods take. Loads no framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

BETAS = ("beta1", "beta2")

ADAM = {"betas": "", "eps": "epsilon", "weight_decay": "weight_decay"}
"""`betas` are two arguments in paddle, and are taken apart by `spelled`."""


@dataclass(frozen=True)
class Spelling:
    """One method in paddle.

    Attributes:
        names: torch's name of an argument -> paddle's.
        own: what paddle's class takes beside, under its own names.
        defaults: torch's defaults where paddle has others: one spec means one training.
        classes: paths of classes, each with the arguments that it lacks; the first that takes all that is given.
        convert: values that paddle means otherwise: torch's name -> function of the value.
    """

    names: Mapping[str, str]
    own: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    classes: tuple[tuple[str, frozenset[str]], ...] = ()
    convert: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict[str, Callable[[Any], Any]])

    def class_for(self, keys: Collection[str]) -> str:
        """Path of the class for these arguments."""
        return next((path for path, lacking in self.classes if lacking.isdisjoint(keys)), self.classes[-1][0])

    @property
    def known(self) -> list[str]:
        """All arguments, as they are written in a spec."""
        return sorted({*self.names, *self.own})

    def meant(self, key: str) -> str | None:
        """Torch's name for one of paddle's, None where it is none."""
        if key in BETAS and "betas" in self.names:
            return f"betas=({BETAS[0]}, {BETAS[1]})"
        return next((name for name, theirs in self.names.items() if theirs == key and name != key), None)

    def spell(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments, or the options of a group, as paddle takes them."""
        spelled: dict[str, Any] = {}
        for key, value in given.items():
            value = self.convert[key](value) if key in self.convert else value
            if key == "betas" and self.names.get(key) == "":
                spelled.update(zip(BETAS, value, strict=True))
            elif key == "weight_decay" and isinstance(value, int):
                # Paddle makes a regularizer of a float, and takes anything else for one.
                spelled[self.names.get(key, key)] = float(value)
            else:
                spelled[self.names.get(key, key)] = value
        return spelled


def _one(path: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return ((f"paddle.optimizer:{path}", frozenset()),)


def spelling_of(parameters: Collection[str]) -> Spelling:
    """The spelling of a class that is no method of paddle's own, from the names of its arguments."""
    theirs = {"epsilon": "eps", "use_nesterov": "nesterov"}
    names = {theirs.get(name, name): name for name in parameters if name not in BETAS}
    if set(BETAS) <= set(parameters):
        names["betas"] = ""
    return Spelling(names)


CLIP = frozenset({"grad_clip", "multi_precision"})

METHODS: Mapping[str, Spelling] = MappingProxyType(
    {
        "sgd": Spelling(
            {"momentum": "momentum", "nesterov": "use_nesterov", "weight_decay": "weight_decay"},
            CLIP | {"use_multi_tensor", "rescale_grad"},
            {"momentum": 0.0},
            (
                ("paddle.optimizer:SGD", frozenset({"momentum", "nesterov", "use_multi_tensor", "rescale_grad"})),
                ("paddle.optimizer:Momentum", frozenset()),
            ),
        ),
        "adam": Spelling({**ADAM, "amsgrad": "amsgrad"}, CLIP | {"lazy_mode", "use_multi_tensor"}, {}, _one("Adam")),
        "adamw": Spelling(
            {**ADAM, "amsgrad": "amsgrad"},
            CLIP | {"lazy_mode", "lr_ratio", "apply_decay_param_fun", "use_lowprecision_moment"},
            {},
            _one("AdamW"),
        ),
        "adamax": Spelling(ADAM, frozenset({"grad_clip"}), {}, _one("Adamax")),
        "nadam": Spelling({**ADAM, "momentum_decay": "momentum_decay"}, frozenset({"grad_clip"}), {}, _one("NAdam")),
        "radam": Spelling(ADAM, frozenset({"grad_clip"}), {}, _one("RAdam")),
        "adadelta": Spelling(
            {"rho": "rho", "eps": "epsilon", "weight_decay": "weight_decay"},
            frozenset({"grad_clip"}),
            {"rho": 0.9},
            _one("Adadelta"),
        ),
        "adagrad": Spelling(
            {
                "eps": "epsilon",
                "weight_decay": "weight_decay",
                "initial_accumulator_value": "initial_accumulator_value",
            },
            frozenset({"grad_clip"}),
            {"eps": 1e-10},
            _one("Adagrad"),
        ),
        "rmsprop": Spelling(
            {
                "alpha": "rho",
                "eps": "epsilon",
                "weight_decay": "weight_decay",
                "momentum": "momentum",
                "centered": "centered",
            },
            frozenset({"grad_clip"}),
            {"alpha": 0.99, "eps": 1e-8},
            _one("RMSProp"),
            # Paddle adds it under the root: the square is the same least divisor.
            {"eps": lambda eps: eps * eps},
        ),
        "rprop": Spelling(
            {"etas": "etas", "step_sizes": "learning_rate_range"}, CLIP, {"step_sizes": (1e-6, 50.0)}, _one("Rprop")
        ),
        "lamb": Spelling(
            {"betas": "", "eps": "epsilon", "weight_decay": "lamb_weight_decay"},
            CLIP | {"exclude_from_weight_decay_fn", "always_adapt"},
            # Without it a group that has no weight decay would have no trust ratio either.
            {"always_adapt": True},
            _one("Lamb"),
        ),
        "lars": Spelling(
            {
                "momentum": "momentum",
                "eps": "epsilon",
                "weight_decay": "lars_weight_decay",
                "trust": "lars_coeff",
            },
            CLIP | {"exclude_from_weight_decay", "rescale_grad"},
            {"momentum": 0.9, "weight_decay": 1e-4},
            (("paddle.incubate.optimizer:LarsMomentumOptimizer", frozenset()),),
        ),
        "asgd": Spelling({"weight_decay": "weight_decay"}, CLIP | {"batch_num"}, {}, _one("ASGD")),
        "lbfgs": Spelling(
            {
                name: name
                for name in (
                    "max_iter",
                    "max_eval",
                    "tolerance_grad",
                    "tolerance_change",
                    "history_size",
                    "line_search_fn",
                )
            },
            frozenset({"grad_clip", "weight_decay"}),
            {},
            _one("LBFGS"),
        ),
    }
)
"""The methods of paddle."""
