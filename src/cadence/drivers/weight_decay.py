"""How fast weight decay alone shrinks weights, method by method.

Four things go by the name of weight decay, and only for two of them is there a rate that says how fast a weight without
a gradient would go to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Rule: TypeAlias = Literal["coupled", "independent", "gradient", "adapted"]
"""What an update makes of the decay.

- ``"coupled"``: weights are multiplied by 1 - lr x weight_decay (AdamW), so the schedule of the rate is also one of
  the decay.
- ``"independent"``: weights are multiplied by 1 - weight_decay, whatever the rate is.
- ``"gradient"``: weight_decay x weights is added to the gradient (L2 penalty), and then goes through momentum and
  whatever the method divides by: there is no rate.
- ``"adapted"``: the decay is part of the step that a trust ratio scales, tensor by tensor: there is no single rate.
"""

Setting: TypeAlias = tuple[str, object, Rule]
"""Key of a parameter group, a value that it may have, and the rule that then holds."""


class Method(NamedTuple):
    """What one method does.

    Attributes:
        rule: where no setting says otherwise.
        settings: where one says otherwise; the first that fits counts.
    """

    rule: Rule
    settings: tuple[Setting, ...] = ()


_INDEPENDENT: Setting = ("independent_decay", True, "independent")
_DECOUPLED: Setting = ("decoupled_decay", True, "coupled")
_SWITCHED = Method("gradient", (("decoupled_weight_decay", True, "coupled"),))
_CHOSEN = Method("coupled", (("weight_decouple", False, "gradient"), ("fixed_decay", True, "independent")))

METHODS: Mapping[tuple[str, str], Method] = {
    **{("torch", name): Method("gradient") for name in ("Adadelta", "Adagrad", "Adamax", "ASGD", "RMSprop", "SGD")},
    **{("torch", name): _SWITCHED for name in ("Adam", "NAdam", "RAdam")},
    **{("torch", name): Method("coupled") for name in ("Adafactor", "AdamW", "Muon")},
    **{
        ("paddle", name): Method("gradient")
        for name in ("ASGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Momentum", "NAdam", "RAdam", "RMSProp", "SGD")
    },
    ("paddle", "AdamW"): Method("coupled"),
    ("paddle", "Lamb"): Method("adapted"),
    **{("cadence", name): Method("gradient") for name in ("Adagrad", "Lars", "RMSprop")},
    ("cadence", "AdaBound"): Method("gradient", (_INDEPENDENT, _DECOUPLED)),
    ("cadence", "AdamW"): Method("coupled", (_INDEPENDENT,)),
    ("cadence", "MuonAdamW"): Method("coupled"),
    ("cadence", "Lamb"): Method("adapted", (_INDEPENDENT, _DECOUPLED, ("adapt", False, "coupled"))),
    **{
        ("pytorch_optimizer", name): _CHOSEN
        for name in (
            "AdaBelief", "AdaBound", "AdaMod", "AdaNorm", "AdaPNM", "AdaTAM", "Adalite", "AvaGrad", "CAME", "DiffGrad",
            "EXAdam", "LaProp", "Lamb", "Lion", "MARS", "PNM", "Ranger", "TAM", "Tiger",
        )
    },
}  # fmt: skip
"""Package and class -> what it does. A class that is not here is looked up by the class that it is derived from; of
one that is not found nothing is said."""


def decay_rule(optimizer: object, group: Mapping[str, Any]) -> Rule | None:
    """What the weight decay of a parameter group is.

    Args:
        optimizer: that the group belongs to.
        group: its settings by name.

    Returns:
        None where the group has no weight decay, or nothing is known of the method.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> decay_rule(optimizer, optimizer.param_groups[0])
        'coupled'
    """
    if "weight_decay" not in group:
        return None
    for cls in type(optimizer).__mro__:
        method = METHODS.get((cls.__module__.partition(".")[0], cls.__name__))
        if method is not None:
            return _rule_of(method, group)
    return None


def _rule_of(method: Method, group: Mapping[str, Any]) -> Rule:
    for key, value, rule in method.settings:
        if group.get(key) == value:
            return rule
    return method.rule


def decay_rate(rule: Rule | None, lr: float | None, weight_decay: float | None) -> float | None:
    """Share of a weight that one update takes away by decay alone.

    Args:
        rule: of its group.
        lr: learning rate in force.
        weight_decay: in force.

    Returns:
        A share, usually in [0, 1); None where there is no such rate.

    Example:
        >>> decay_rate("coupled", 0.25, 0.5), decay_rate("independent", 0.25, 0.5), decay_rate("gradient", 0.25, 0.5)
        (0.125, 0.5, None)
        >>> decay_rate("gradient", 0.25, 0.0)
        0.0
    """
    if rule is None or weight_decay is None:
        return None
    if weight_decay == 0:
        return 0.0
    if rule == "independent":
        return weight_decay
    return None if lr is None or rule != "coupled" else lr * weight_decay
