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

AT_ONCE = 32768
"""Elements that are put together at most."""


def update_together(rule: Rule, tensors: Mapping[str, Sequence[Tensor]], numbers: Mapping[str, float]) -> list[float]:
    """Update small tensors of one dtype in place, on the CPU.

    Args:
        rule: with its choice of variants.
        tensors: ``x``, ``g`` and the states: one of each per parameter.
        numbers: the rule's, and ``t``: the same for all of them.

    Returns:
        What the step of each was multiplied by.
    """
    k, sizes = SimpleNamespace(**numbers), [x.numel() for x in tensors["x"]]
    count, half = len(sizes), tensors["x"][0].dtype in HALVES
    rows = {name: torch.cat([_row(each) for each in those]) for name, those in tensors.items()}
    p = Point({name: row.float() for name, row in rows.items()} if half else rows)
    advanced = rule.advance(p, k, XP)
    p = p.then(advanced)
    vectors = rule.vectors(p, k, XP)
    scales, scale = torch.ones(count), 1.0
    if rule.measures:
        owner = torch.repeat_interleave(torch.arange(count), torch.tensor(sizes))
        zeros = torch.zeros(count, dtype=torch.float64)
        norms = tuple(zeros.index_add(0, owner, vector.double().square()).sqrt() for vector in vectors)
        scales = rule.scale(norms, k, XP)
        scale = scales.to(p.x.dtype)[owner]
    for name, row in {**advanced, **rule.step(p, vectors, scale, k, XP)}.items():
        here = tensors[name]
        parts = [
            part if there.dim() == 1 else part.view(there.shape)
            for part, there in zip(row.split(sizes), here, strict=True)
        ]
        torch._foreach_copy_(list(here), parts)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    return scales.tolist()


def _row(x: Tensor) -> Tensor:
    # Most small tensors are rows already, and making a view of one costs more than updating it.
    return x if x.dim() == 1 else x.reshape(-1)
