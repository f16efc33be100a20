"""Which parameter belongs to which group, with which values; what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import OptimizerError, SpecError

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


MODEL = Model()


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


def values(groups: Any = None, *, own: Keys | None = None, **keys: Any) -> dict[str, Keys]:
    """Group -> its values."""
    found = cd.parameter_groups(Model(), groups, **keys, **(own or {"lr": 0.1, "weight_decay": 0.01}))
    return {row["group"]: row["values"] for row in found.rows()}


# ---- which group -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closer", "farther"),
    [
        ("blocks.0.norm.weight", "blocks.*"),
        ("blocks.0.norm.weight", r"re:blocks\..*"),
        ("blocks.0.*", "type:LayerNorm"),
        ("type:LayerNorm", "role:vector"),
        ("blocks.0.*", "depth:1-2"),
    ],
)
def test_of_two_claims_the_closer_one_counts_in_any_order(closer: str, farther: str) -> None:
    groups = {"near": {"parameters": closer}, "far": {"parameters": farther}}
    there, back = divided(groups), divided(dict(reversed(groups.items())))
    assert {name: set(found) for name, found in there.items()} == {name: set(found) for name, found in back.items()}
    assert "blocks.0.norm.weight" in there["near"]
    assert there["far"]


def test_without_takes_parameters_out() -> None:
    found = divided({"body": {"parameters": "blocks.*", "without": ["role:vector", "*.out.*"]}})
    assert found["body"] == [n for n in names(Model()) if "proj_weight" in n or "out_proj.weight" in n]


def test_parameters_that_need_no_gradient_belong_to_no_group() -> None:
    model = Model()
    model.blocks[0].requires_grad_(False)
    assert not any(n.startswith("blocks.0") for found in divided(model=model).values() for n in found)
    with pytest.raises(OptimizerError, match=r"matches no parameter that is trained, only 'blocks.0.*requires_grad"):
        divided({"a": {"parameters": "blocks.0.*"}}, model=model)


PATTERNS = ["*", "blocks.*", "blocks.0.*", "*.bias", "re:.*norm.*", "type:LayerNorm", "type:*", "role:bias", "role:vector",
            "role:matrix", "role:head", "depth:0", "depth:0-1", "head.bias", "norm.weight", "embed.weight"]  # fmt: skip


@given(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
                    st.lists(st.sampled_from(PATTERNS), max_size=2)), max_size=4),
    st.booleans(), st.none() | st.floats(0.1, 1.0), st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_parameter_has_one_group_whatever_the_order(
    groups: Any, bare: bool, decay: float | None, order: Any
) -> None:
    described = {name: {"parameters": claims, "without": out} for name, (claims, out) in groups.items()}
    shuffled = list(described.items())
    order.shuffle(shuffled)
    results: list[Any] = []
    for one in (described, dict(shuffled)):
        try:
            found = divided(one, model=MODEL, no_decay=bare, layer_decay=decay, lr=1.0, weight_decay=0.1)
        except OptimizerError as fault:
            results.append(type(fault))
            continue
        flat = [n for members in found.values() for n in members]
        assert sorted(flat) == sorted(names(MODEL))
        assert {n.partition(":")[0] for n in found} - {"rest"} == set(one)
        results.append({name: set(members) for name, members in found.items()})
    assert results[0] == results[1]


# ---- which values ----------------------------------------------------------------------------------------------------


def test_a_value_is_a_number_or_a_multiple_of_the_optimizers() -> None:
    found = values({"a": {"parameters": "head.*", "lr": "x10", "weight_decay": "x 0.5"},
                    "b": {"parameters": "blocks.*", "lr": 3e-4, "betas": (0.8, 0.9)}})  # fmt: skip
    assert found["a"] == {"lr": 1.0, "weight_decay": 0.005}
    assert found["b"] == {"lr": 3e-4, "weight_decay": 0.01, "betas": (0.8, 0.9)}
    assert found["rest"] == {"lr": 0.1, "weight_decay": 0.01}


def test_decay_by_depth_is_that_of_beit() -> None:
    """Bao et al. 2021, BEiT's `run_class_finetuning.py`: scale = decay ** (layers + 1 - id of the layer)."""
    groups = cd.parameter_groups(Model(), layer_decay=0.65, lr=0.1)
    for row in groups.rows():
        for name in row["names"]:
            block = int(name.split(".")[1]) + 1 if name.startswith("blocks") else None
            number = block if block is not None else 0 if name in ("cls_token", "embed.weight") else 3
            assert row["values"]["lr"] == pytest.approx(0.1 * 0.65 ** (3 - number), rel=1e-15)
            assert (row["depth"], row["group"]) == (number, f"rest:{number}")


def test_decay_by_depth_multiplies_a_groups_own_rate_and_a_group_may_have_its_own() -> None:
    groups = {"a": {"parameters": "blocks.0.*", "lr": 0.8}, "b": {"parameters": "blocks.1.*", "layer_decay": 1.0}}
    found = values(groups, layer_decay=0.5)
    assert {name: x["lr"] for name, x in found.items()} == {"a:1": 0.2, "b:2": 0.1, "rest:0": 0.0125, "rest:3": 0.1}


def test_no_decay_means_biases_normalisation_and_gains() -> None:
    groups = cd.parameter_groups(Model(), {"own": {"parameters": "blocks.1.*", "no_decay": False}}, no_decay=True,
                                 weight_decay=0.1)  # fmt: skip
    bare = {n for row in groups.rows() if row["values"]["weight_decay"] == 0 for n in row["names"]}
    assert bare == {n for n, p in Model().named_parameters() if p.ndim <= 1 and not n.startswith("blocks.1")}
    # Whatever a group's own decay is.
    found = values({"own": {"parameters": "head.*", "weight_decay": 0.5}}, no_decay=True)
    assert (found["own"]["weight_decay"], found["own:no_decay"]["weight_decay"]) == (0.5, 0.0)


def test_an_optimizer_takes_the_groups_and_trains_as_one_with_groups_by_hand() -> None:
    def train(make: Any) -> list[Any]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        optimizer = torch.optim.AdamW(make(model), lr=0.1)
        x = torch.randn(5, 3).double()
        for _ in range(5):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        return [p.detach() for p in model.parameters()]

    ours = train(lambda m: cd.parameter_groups(m, no_decay=True, layer_decay=0.5, lr=0.1, weight_decay=0.3))
    hand = train(lambda m: [
        {"params": [m[0].weight], "lr": 0.05, "weight_decay": 0.3}, {"params": [m[0].bias], "lr": 0.05, "weight_decay": 0},
        {"params": [m[2].weight], "weight_decay": 0.3}, {"params": [m[2].bias], "weight_decay": 0},
    ])  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(ours, hand, strict=True))


def test_groups_can_be_given_to_several_optimizers_at_once_and_twice() -> None:
    groups = cd.parameter_groups(Model(), {"head": {"parameters": "head.bias"}}, lr=0.1)
    first, second = list(groups), list(groups)
    assert [g["name"] for g in first] == ["head", "rest"]
    assert len(groups) == 2
    # What an optimizer adds to its groups stays its own matter.
    torch.optim.AdamW(first)
    assert set(second[0]) == {"name", "params", "lr"}
    assert first[0]["params"][0] is second[0]["params"][0]


# ---- the table -------------------------------------------------------------------------------------------------------


def test_the_table_shows_what_a_reader_asks_for() -> None:
    groups = cd.parameter_groups(
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
        {"head": {"parameters": "2.*", "lr": "x10", "momentum": 0.5, "frozen": "2 epochs"}},
        layer_decay=0.5, lr=0.1, momentum=0.9,
    )  # fmt: skip
    assert groups.table().splitlines() == [
        "group   depth  numbers  lr    momentum  frozen    parameters",
        "head:1  1      9        1     0.5       2 epochs  2.weight, 2.bias",
        "rest:0  0      24       0.05  0.9                 0.weight, 0.bias",
    ]
    assert groups.rows()[0] == {
        "group": "head:1", "optimizer": "optimizer", "depth": 1, "parameters": 2, "numbers": 9,
        "values": {"lr": 1.0, "momentum": 0.5}, "own": ["lr", "momentum"], "frozen": "2 epochs",
        "names": ["2.weight", "2.bias"],
    }  # fmt: skip


# ---- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Any, Keys, str]] = {
    "no match": ({"a": {"parameters": "haed.*"}}, {}, "the pattern 'haed.*' of 'a' matches no parameter; did you mean 'head'"),
    "no match at all": ({"a": {"parameters": "zzz"}}, {}, "matches no parameter; parameters are called cls_token, embed.weight"),
    "no match of without": ({"a": {"parameters": "*", "without": "haed.*"}}, {}, "the pattern 'haed.*' of 'a' matches"),
    "no type": ({"a": {"parameters": "type:LayreNorm"}}, {}, "'type:LayreNorm' of 'a' matches no parameter; did you mean 'LayerNorm'?"),
    "no such depth": ({"a": {"parameters": "depth:7"}}, {}, "'depth:7' of 'a' matches no parameter; the table of"),
    "twice": ({"a": {"parameters": "*.bias"}, "b": {"parameters": "blocks.*"}}, {},
              "'blocks.0.norm.bias' is claimed twice, by 'a' ('*.bias') and by 'b' ('blocks.*'); take it out of one"),
    "twice by roles": ({"a": {"parameters": "role:bias"}, "b": {"parameters": "role:norm"}}, {},
                       "is claimed twice, by 'a' ('role:bias') and by 'b' ('role:norm')"),
    "empty": ({"a": {"parameters": "head.*"}, "b": {"parameters": "type:Embedding"}, "c": {"parameters": "role:embedding", "without": "cls_token"}}, {},
              "no parameter is left for 'b'"),
    "no prefix": ({"a": {"parameters": "typ:Linear"}}, {}, "'typ:Linear' begins with an unknown prefix; did you mean 'type'?"),
    "no role": ({"a": {"parameters": "role:baises"}}, {}, "there is no role 'baises' of a parameter; did you mean 'bias'?"),
    "no expression": ({"a": {"parameters": "re:(head"}}, {}, "the pattern 're:(head' is no regular expression"),
    "no depth": ({"a": {"parameters": "depth:3-1"}}, {}, "the pattern 'depth:3-1' names no depths; write e.g. 'depth:0'"),
    "no patterns": ({"a": {"parameters": []}}, {}, "group 'a': a group without patterns holds no parameters"),
    "misspelt key": ({"a": {"paramters": "*"}}, {}, "group 'a': a group has no key 'paramters'; did you mean 'parameters'?"),
    "misspelt own key": ({"a": {"parameters": "*", "layer_deacy": 0.5}}, {}, "did you mean 'layer_decay'?"),
    "no mapping": ({"a": "head.*"}, {}, "group 'a': a group is a mapping such as {'parameters': 'head.*'"),
    "no groups": (["head.*"], {}, "groups maps names to what each group holds"),
    "a part's name": ({"a:b": {"parameters": "*"}}, {}, "the group 'a:b' has '/' or ':' in its name"),
    "rest": ({"rest": {"parameters": "*"}}, {}, "'rest' is the group of all that no pattern matches"),
    "no number": ({"a": {"parameters": "*", "lr": "0.1x"}}, {}, "must be a number, or a multiple of the optimizer's such as 'x0.1', not '0.1x'"),
    "not finite": ({"a": {"parameters": "*", "lr": float("nan")}}, {}, "lr of a group is nan; write a finite number"),
    "multiple of nothing": ({"a": {"parameters": "*", "momentum": "x2"}}, {"lr": 0.1}, "a multiple of the optimizer's momentum, which is not known"),
    "depth without rate": (None, {"layer_decay": 0.5}, "'rest' has a layer_decay, which is a factor of its lr, and no lr is known"),
    "too large a factor": (None, {"layer_decay": 1.1}, "layer_decay is 1.1; it is the factor of the rate from one depth to the one before"),
    "no factor": (None, {"layer_decay": True}, "layer_decay is True; it is the factor"),
    "no answer": (None, {"no_decay": "yes"}, "no_decay is true or false, not 'yes'"),
    "another optimizer": ({"a": {"parameters": "*", "optimizer": "muon"}}, {}, "chooses the optimizer 'muon', which there is not; there is only one"),
    "frozen for nothing": ({"a": {"parameters": "*", "frozen": "soon"}}, {}, "a frozen length cannot be read from 'soon'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_one_sentence(name: str) -> None:
    groups, keys, said = REFUSED[name]
    with pytest.raises((OptimizerError, SpecError)) as caught:
        cd.parameter_groups(Model(), groups, **keys)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Linear, "not in the class Linear; make one"),
        ([nn.Parameter(torch.zeros(2))], "not in a list"),
        (nn.LazyLinear(3), "'weight' has no shape before the first batch; put one batch through the model first"),
        (nn.Linear(2, 2).requires_grad_(False), "the model Linear has no trainable parameters; set requires_grad"),
        (nn.Identity(), "the model Identity has no trainable parameters"),
    ],
    ids=["class", "list", "lazy", "not trained", "empty"],
)
def test_what_is_no_model_to_train_is_refused(model: Any, said: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        cd.parameter_groups(model, lr=0.1)
    assert said in str(caught.value)


# ---- several optimizers ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_two_optimizers_share_a_model_under_one_plan() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    groups = cd.parameter_groups(
        model,
        {"body": {"parameters": "role:matrix", "optimizer": "muon", "lr": "x0.5"}},
        optimizers={"adamw": {"lr": 0.001, "weight_decay": 0.1}, "muon": {"lr": 0.02}},
        no_decay=True,
    )
    assert {row["group"]: (row["optimizer"], row["names"]) for row in groups.rows()} == {
        "rest": ("adamw", ["4.weight"]),
        "rest:no_decay": ("adamw", ["0.bias", "2.bias", "4.bias"]),
        "body": ("muon", ["0.weight", "2.weight"]),
    }
    both = [torch.optim.AdamW(groups.of("adamw")), torch.optim.Muon(groups.of("muon"))]
    driver = cd.drive(both, {"lr": "warmup(2) >> linear()", "body/lr": "linear()"}, total=10)
    assert driver.curve.groups == ("rest", "rest:no_decay", "body")
    before = [p.detach().clone() for p in model.parameters()]
    for t in range(10):
        assert [g["lr"] for o in both for g in o.param_groups] == driver.values["lr"]
        assert both[1].param_groups[0]["lr"] == pytest.approx(0.01 * (1 - t / 10))
        model(torch.randn(6, 3)).square().mean().backward()
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad()
        driver.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"optimizers": {"a": {"lr": 0.1}, "b": {"lr": 0.1}}}, "the optimizer 'b' gets no parameters"),
        ({"optimizers": {"a": {"lr": 0.1}}, "lr": 0.1}, "lr and optimizers are both given"),
        ({"optimizers": {}}, "optimizers maps names to values"),
        ({"optimizers": ["adamw"]}, "optimizers maps names to values"),
        ({"optimizers": {"a": 0.1}}, "optimizers has 'a': 0.1; write e.g."),
    ],
)
def test_optimizers_that_cannot_be_meant_are_one_sentence(keys: Keys, said: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        cd.parameter_groups(Model(), **keys)
    assert said in str(caught.value)


def test_groups_of_an_optimizer_that_there_is_not_are_refused() -> None:
    with pytest.raises(OptimizerError, match="there is no optimizer called 'adam'; known are: optimizer"):
        cd.parameter_groups(Model(), lr=0.1).of("adam")
