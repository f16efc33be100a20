"""Many small tensors updated as one, by torch's own operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import torch
from torch import Tensor

from cadence.optim.rules.rule import Point, Rule
from cadence.optim.stepping.torch_plain import HALVES, XP

SMALL = 8192
"""Elements of a tensor up to which the time goes into the calls, rather than into the elements."""

AT_ONCE = 65536
"""Elements that are put together at most."""


def update_together(rule: Rule, tensors: Sequence[Mapping[str, Tensor]], numbers: Mapping[str, float]) -> list[float]:
    """Update small tensors of one dtype in place, on the CPU.

    Args:
        rule: with its choice of variants.
        tensors: ``x``, ``g`` and the states of each.
        numbers: the rule's, and ``t``: the same for all of them.

    Returns:
        What the step of each was multiplied by.
    """
    k, sizes = SimpleNamespace(**numbers), [each["x"].numel() for each in tensors]
    half = tensors[0]["x"].dtype in HALVES
    rows = {name: torch.cat([each[name].reshape(-1) for each in tensors]) for name in tensors[0]}
    p = Point({name: row.float() for name, row in rows.items()} if half else rows)
    advanced = rule.advance(p, k, XP)
    p = p.then(advanced)
    vectors = rule.vectors(p, k, XP)
    scales, scale = torch.ones(len(tensors)), 1.0
    if rule.measures:
        owner = torch.repeat_interleave(torch.arange(len(tensors)), torch.tensor(sizes))
        zeros = torch.zeros(len(tensors), dtype=torch.float64)
        norms = tuple(zeros.index_add(0, owner, vector.double().square()).sqrt() for vector in vectors)
        scales = rule.scale(norms, k, XP)
        scale = scales.to(p.x.dtype)[owner]
    for name, row in {**advanced, **rule.step(p, vectors, scale, k, XP)}.items():
        parts = [part.view(each[name].shape) for part, each in zip(row.split(sizes), tensors, strict=True)]
        torch._foreach_copy_([each[name] for each in tensors], parts)
    return scales.tolist()
