"""Which weights make outputs: the last one and those beside it, and not what stands before them behind the last block."""

from __future__ import annotations

import pytest

import cadence as cd
from cadence._errors import OptimizerError

torch = pytest.importorskip("torch")
nn = torch.nn


class Held(nn.Module):
    """Layers by name, in the order in which they are given."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def outputs(model: nn.Module) -> list[str]:
    found = cd.parameter_groups(model, {"last": {"parameters": "role:output"}})
    return next(row["names"] for row in found.rows() if row["group"] == "last")


def rows() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))


MODELS = {
    "a row of layers": (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), ["2.weight"]),
    "dense layers behind convolutions": (
        Held(seen=rows(), first=nn.Linear(32, 16), second=nn.Linear(16, 10)), ["second.weight"],
    ),
    "one block, then two answers": (
        Held(
            seen=nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), hidden=nn.Linear(16, 8), kind=nn.Linear(8, 5),
            place=nn.Linear(8, 2),
        ),
        ["kind.weight", "place.weight"],
    ),
    "a way up": (
        Held(down=rows(), up=nn.ConvTranspose2d(8, 4, 2, 2), beside=nn.Conv2d(5, 6, 3), out=nn.Conv2d(6, 1, 1)),
        ["out.weight"],
    ),
    "gates behind a row": (Held(seen=rows(), memory=nn.LSTM(8, 6), out=nn.Linear(6, 2)), ["out.weight"]),
    "channels apart": (
        Held(seen=rows(), apart=nn.Conv2d(8, 8, 3, groups=8), mixed=nn.Conv2d(8, 3, 1)), ["mixed.weight"],
    ),
    "a feed-forward layer of its own": (
        Held(query_key_value=nn.Linear(8, 24), attended=nn.Linear(8, 8), feed=rows(), out=nn.Linear(8, 5, bias=False)),
        ["out.weight"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_makes_outputs_is_found(name: str) -> None:
    model, found = MODELS[name]
    assert outputs(model) == found


def test_a_tied_table_and_a_single_layer_leave_no_weight_that_makes_outputs() -> None:
    tied = Held(table=nn.Embedding(5, 4), row=nn.Sequential(*[Held(a=nn.Linear(4, 4), n=nn.LayerNorm(4))] * 2))
    tied.norm, tied.head = nn.LayerNorm(4), nn.Linear(4, 5, bias=False)
    tied.head.weight = tied.table.weight
    for model in (tied, nn.Linear(4, 2)):
        with pytest.raises(OptimizerError, match="'role:output' of 'last' matches no parameter"):
            outputs(model)


def test_paddle_has_them_in_its_own_order() -> None:
    paddle = pytest.importorskip("paddle")

    class Model(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seen = paddle.nn.Sequential(paddle.nn.Conv2D(1, 4, 3), paddle.nn.ReLU(), paddle.nn.Conv2D(4, 8, 3))
            self.hidden, self.kind = paddle.nn.Linear(32, 16), paddle.nn.Linear(16, 5)
            self.place = paddle.nn.Linear(16, 2)

    assert outputs(Model()) == ["kind.weight", "place.weight"]
