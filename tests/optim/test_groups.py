"""Which parameter belongs to which group, with which values; what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd
from cadence._errors import OptimizerError

torch = pytest.importorskip("torch")
nn = torch.nn

Keys = dict[str, Any]


class Block(nn.Module):
    """What a transformer's block is made of, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.scale = nn.Parameter(torch.ones(4))
        self.out = nn.Linear(4, 4)


class Model(nn.Module):
    """Embeddings, two blocks, a normalisation and a head that shares the embeddings' weight."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.embed = nn.Embedding(7, 4)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embed.weight


def divided(groups: Any = None, *, model: Any = None, **keys: Any) -> dict[str, list[str]]:
    """Group -> names of its parameters."""
    found = cd.parameter_groups(Model() if model is None else model, groups, **keys)
    return {row["group"]: row["names"] for row in found.rows()}


def names(model: Any) -> list[str]:
    return [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize(
    ("pattern", "claimed"),
    [
        ("norm.weight", ["norm.weight"]),
        ("*.out.bias", ["blocks.0.out.bias", "blocks.1.out.bias"]),
        (r"re:blocks\.[1-9]\.norm\..*", ["blocks.1.norm.weight", "blocks.1.norm.bias"]),
        ("re:norm", None),  # the whole name, not a part of it
        ("type:Embedding", ["embed.weight"]),
        ("type:Layer*", [n for n in names(Model()) if "norm." in n]),
        # The output of torch's attention is of a class that derives from Linear.
        ("type:Linear", [n for n in names(Model()) if "out" in n or n == "head.bias"]),
        ("role:norm", [n for n in names(Model()) if "norm." in n]),
        ("role:bias", [n for n in names(Model()) if n.endswith("bias")]),
        ("role:vector", [n for n in names(Model()) if n.endswith("bias") or "norm." in n or "scale" in n]),
        ("role:embedding", ["cls_token", "embed.weight"]),
        ("role:matrix", [n for n in names(Model()) if "proj_weight" in n or "out.weight" in n or "proj.weight" in n]),
        ("role:stem", ["cls_token", "embed.weight"]),
        ("role:head", ["norm.weight", "norm.bias", "head.bias"]),
        ("depth:0", ["cls_token", "embed.weight"]),
        ("depth:1-2", [n for n in names(Model()) if n.startswith("blocks")]),
        # A weight that is used twice has two names.
        ("head.*", ["embed.weight", "head.bias"]),
    ],
)
def test_a_pattern_claims_what_it_says(pattern: str, claimed: list[str] | None) -> None:
    if claimed is None:
        with pytest.raises(OptimizerError, match="matches no parameter"):
            divided({"mine": {"parameters": pattern}})
        return
    found = divided({"mine": {"parameters": pattern}})
    assert found["mine"] == claimed
    assert sorted(found["mine"] + found.get("rest", [])) == sorted(names(Model()))
