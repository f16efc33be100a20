"""Optimizers are made by name, and slips are caught before training."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from cadence._errors import CadenceError, OptimizerError  # noqa: E402
from cadence.optim.for_torch.lamb import Lamb  # noqa: E402
from cadence.optim.make import check_optimizer, optimizer, optimizer_class  # noqa: E402

RATES = {
    "adadelta": 10.0, "adafactor": 0.1, "adagrad": 0.1, "adam": 0.02, "adamax": 0.02, "adamw": 0.02, "asgd": 0.05,
    "lamb": 0.05, "nadam": 0.02, "radam": 0.05, "rmsprop": 0.02, "rprop": 0.01, "sgd": 0.05,
}  # fmt: skip


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


@pytest.mark.parametrize("name", sorted(RATES))
def test_every_method_for_dense_gradients_learns(name: str) -> None:
    net, x = model(), torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    made, losses = optimizer(name, net, lr=RATES[name]), []
    for _ in range(60):
        made.zero_grad()
        loss = (net(x) - x[:, :2]).square().mean()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_name_stands_for_the_class() -> None:
    assert optimizer_class("adamw") is torch.optim.AdamW
    assert optimizer_class("lamb") is Lamb


def test_arguments_reach_the_class_and_the_rest_keeps_its_defaults() -> None:
    made = optimizer("sgd", model(), lr=0.1, momentum=0.9, nesterov=True)
    assert {k: made.defaults[k] for k in ("lr", "momentum", "nesterov", "weight_decay")} == {
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0,
    }
    assert made.defaults["fused"] is None
    assert optimizer("adamw", model(), lr=0.1, fused=True).defaults["fused"] is True


def test_two_made_alike_step_alike_as_the_class_itself() -> None:
    net, other = model(), model()
    made = optimizer("nadam", net, lr=0.01, betas=[0.8, 0.9])
    direct = torch.optim.NAdam(other.parameters(), lr=0.01, betas=(0.8, 0.9))
    for _ in range(3):
        for n, o in ((net, made), (other, direct)):
            o.zero_grad()
            n(torch.ones(1, 3)).sum().backward()
            o.step()
    assert torch.equal(net.weight, other.weight)


def test_of_a_model_the_trainable_parameters_are_taken() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
    net[0].requires_grad_(False)
    made = optimizer("adam", net, lr=0.1)
    assert [id(p) for p in made.param_groups[0]["params"]] == [id(p) for p in net[1].parameters()]


def test_parameters_groups_and_named_parameters_are_taken_as_they_come() -> None:
    net = model()
    assert len(optimizer("adam", net.parameters(), lr=0.1).param_groups[0]["params"]) == 2
    groups = [{"params": [net.weight], "lr": 0.5, "name": "w", "lr_scale": 2.0}, {"params": [net.bias]}]
    made = optimizer("lamb", groups, lr=0.1, weight_decay=0.2)
    assert [g["lr"] for g in made.param_groups] == [0.5, 0.1]
    assert made.param_groups[0]["name"] == "w"
    assert made.param_groups[1]["weight_decay"] == 0.2
    assert len(optimizer("adam", net.named_parameters(), lr=0.1).param_groups[0]["params"]) == 2


def test_a_tensor_as_rate_is_kept() -> None:
    rate = torch.tensor(0.1)
    assert optimizer("adamw", model(), lr=rate).param_groups[0]["lr"] is rate
    assert optimizer("lamb", model(), lr=rate).param_groups[0]["lr"] is rate


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("adamww", {}, "no optimizer called 'adamww'; did you mean 'adamw'"),
        ("AdamW", {}, "did you mean 'adamw'"),
        ("SGD", {}, "did you mean 'sgd'"),
        ("zzz", {}, "known are: adabound, adadelta"),
        (3, {}, "named by text"),
        ("sgd", {"momentun": 0.9}, "no argument 'momentun'; did you mean 'momentum'"),
        ("adamw", {"momentum": 0.9}, "'adamw' has no argument 'momentum'; known are: "),
        ("lamb", {"trust_ratio_clip": True}, "did you mean 'trust_clip'"),
        ("sgd", {"params": [1]}, "no argument 'params'"),
        ("sgd", {"name": "adam"}, "no argument 'name'"),
        ("adamw", {"weight_decay": "1e-2"}, "not the text '1e-2'"),
        ("adamw", {"weight_decay": math.nan}, "finite number, not nan"),
        ("adamw", {"weight_decay": True}, "must be a number, not True"),
        ("adamw", {"weight_decay": None}, "must be a number, not None"),
        ("adamw", {"weight_decay": -1}, "weight_decay value: -1"),
        ("adamw", {"amsgrad": "yes"}, "true or false, not 'yes'"),
        ("adamw", {"betas": [0.9]}, "2 numbers"),
        ("adamw", {"betas": [0.9, "x"]}, "not the text 'x'"),
        ("adamw", {"betas": [0.9, 1.5]}, "betas of the optimizer 'adamw' are (0.9, 1.5): each must lie in [0, 1)"),
        ("lamb", {"betas": [-0.1, 0.9]}, "each must lie in [0, 1)"),
        ("lamb", {"eps": -1.0}, "eps=-1.0 must be"),
        ("sgd", {"nesterov": True}, "refuses these settings: Nesterov"),
    ],
)
def test_a_slip_is_one_sentence(name: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        optimizer(name, model(), lr=0.1, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lr", [math.nan, math.inf, -0.1, "0.1", "1e-3", None, True, [0.1], torch.tensor([0.1, 0.2])])
def test_a_rate_that_is_no_rate_is_refused(lr: Any) -> None:
    with pytest.raises(OptimizerError, match="lr of the optimizer 'adamw'"):
        optimizer("adamw", model(), lr=lr)
    with pytest.raises(OptimizerError, match="lr of the optimizer 'adamw'"):
        check_optimizer("adamw", lr=lr, arguments={})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([], "no parameters"),
        (torch.nn.Flatten(), "no trainable parameters"),
        (torch.nn.Linear(2, 2).requires_grad_(False), "no trainable parameters"),
        (torch.ones(2), "was given a Tensor"),
        ({"params": []}, "was given a dict"),
        (7, "was given a int"),
        ([{"lr": 0.1}], "lacks the key 'params'"),
        ([{"params": [torch.ones(2)], "weightdecay": 0.0}], "'weightdecay'; did you mean 'weight_decay'"),
        ([{"params": [torch.ones(2)], "lr": math.nan}], "finite number"),
        ([{"params": [torch.ones(2)], "weight_decay": "0"}], "not the text '0'"),
        ([{"params": [torch.ones(2)], "betas": (0.9, 1.0)}], "each must lie in"),
        ([{"params": []}], "the group of the optimizer 'adamw' has no parameters"),
        ([{"params": [], "name": "head"}], "the group 'head' of the optimizer"),
        ([{"params": {torch.ones(2)}}], "as a set"),
        ([torch.nn.Linear(2, 2)], r"was given Linear\(.* among its parameters"),
        ([3], "was given 3 among its parameters"),
        ([torch.ones(2, dtype=torch.int64)], "which has no gradient"),
    ],
)
def test_what_cannot_be_trained_is_refused(params: Any, words: str) -> None:
    with pytest.raises(OptimizerError, match=words):
        optimizer("adamw", params, lr=0.1)


def test_settings_can_be_checked_without_a_model() -> None:
    assert check_optimizer("lamb", lr=0.1, arguments={"betas": [0.9, 0.98], "trust_clip": 1.0}) == {
        "lr": 0.1,
        "betas": (0.9, 0.98),
        "trust_clip": 1.0,
    }


METHODS = """
import torch

class Plain(torch.optim.SGD):
    pass

class Open(torch.optim.SGD):
    def __init__(self, params, **settings):
        super().__init__(params, **settings)

class Other:
    def __init__(self, params, lr):
        pass

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with optimizers in it, which the import path does not have, as under a console script."""
    (tmp_path / "methods_of_mine.py").write_text(METHODS, encoding="utf-8")
    (tmp_path / "methods_that_fail.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_class_is_found_by_import_path_in_the_current_folder(folder: Path) -> None:
    made = optimizer("methods_of_mine:Plain", model(), lr=0.1, momentum=0.5)
    assert type(made).__name__ == "Plain"
    assert made.defaults["momentum"] == 0.5


def test_a_class_that_takes_anything_is_given_anything(folder: Path) -> None:
    assert optimizer("methods_of_mine:Open", model(), lr=0.1, momentum=0.5).defaults["momentum"] == 0.5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("methods_of_mine:Plane", "no class called 'Plane'; did you mean 'Plain'"),
        ("methods_of_mine:number", "cannot be called"),
        ("methods_of_mine:Other", "no torch.optim.Optimizer"),
        ("methods_of_mine:", "does not name an optimizer"),
        ("methods of mine:Plain", "does not name an optimizer"),
        ("..methods:Plain", "does not name an optimizer"),
        ("no_such_module:Plain", "No module named 'no_such_module'"),
        ("methods_that_fail:Plain", "No module named 'nowhere_to_be_found'"),
    ],
)
def test_an_import_path_that_leads_nowhere_says_so(folder: Path, path: str, words: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        optimizer(path, model(), lr=0.1)
    assert words in str(caught.value)


def test_an_argument_that_the_imported_class_lacks_is_refused(folder: Path) -> None:
    with pytest.raises(OptimizerError, match="no argument 'momentun'; did you mean 'momentum'"):
        optimizer("methods_of_mine:Plain", model(), lr=0.1, momentun=0.5)


@pytest.mark.parametrize("name", ["adamw", "lamb", "package.module:Class"])
def test_without_torch_the_message_is_how_to_install_it(name: str) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"  # what python itself does to forbid an import
        "from cadence._errors import MissingExtraError\n"
        "from cadence.optim.make import check_optimizer\n"
        "try:\n"
        f"    check_optimizer({name!r}, lr=0.1, arguments={{}})\n"
        "except MissingExtraError as missing:\n"
        "    print(missing)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "this needs torch, which is not installed; run: pip install 'cadence[torch]'\n", done.stderr


@given(
    name=st.sampled_from(["sgd", "adamw", "lamb", "rmsprop"]) | st.text(max_size=8),
    arguments=st.dictionaries(
        st.sampled_from(["momentum", "betas", "eps", "weight_decay", "alpha", "amsgrad"]) | st.text(max_size=5),
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.lists(st.floats(), max_size=3),
        max_size=3,
    ),
    lr=st.none() | st.floats() | st.text(max_size=3),
)
def test_whatever_a_recipe_says_only_errors_of_our_own_come_out(name, arguments, lr):
    arguments.pop("lr", None)
    with contextlib.suppress(CadenceError):
        optimizer(name, [torch.nn.Parameter(torch.ones(2))], lr=lr, **arguments)
