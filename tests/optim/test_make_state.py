"""A state of another method is refused before it is loaded."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cadence._errors import StateError  # noqa: E402
from cadence.optim.make import optimizer  # noqa: E402

METHODS = (
    "sgd", "adam", "adamw", "nadam", "adamax", "torch:rmsprop", "torch:adagrad", "adadelta", "rprop", "asgd", "adafactor",
)  # fmt: skip


def trained(name: str) -> torch.optim.Optimizer:
    p = torch.nn.Parameter(torch.ones(3, 2))
    made = optimizer(name, [p], lr=0.1)
    p.square().sum().backward()
    made.step()
    return made


@pytest.mark.parametrize("name", METHODS)
def test_a_state_goes_back_into_its_own_method_and_into_no_other(name: str) -> None:
    made, again = trained(name), trained(name)
    again.load_state_dict(made.state_dict())
    for other in METHODS:
        if other == name:
            continue
        state = trained(other).state_dict()
        before = again.state_dict()
        with pytest.raises(StateError, match=f"of another method than '{name}'"):
            again.load_state_dict(state)
        assert str(again.state_dict()) == str(before)


def test_a_state_of_an_older_torch_and_keys_of_ones_own_are_taken() -> None:
    made = trained("adamw")
    state = made.state_dict()
    # An older release lacks what came later, and groups may carry whatever their owner likes.
    for group in state["param_groups"]:
        group.pop("decoupled_weight_decay", None)
        group.pop("fused")
        group["lr_scale"] = 0.5
    trained("adamw").load_state_dict(state)


def test_a_state_of_ours_goes_into_no_method_of_torch() -> None:
    with pytest.raises(StateError, match="of another method than 'sgd'"):
        trained("sgd").load_state_dict(trained("lamb").state_dict())
    with pytest.raises(StateError, match="of another method than 'adam'"):
        trained("adam").load_state_dict(trained("lamb").state_dict())


def test_a_schedule_free_state_is_not_one_of_adamw() -> None:
    pytest.importorskip("schedulefree")
    with pytest.raises(StateError, match="of another method"):
        trained("schedule_free_adamw").load_state_dict(trained("adamw").state_dict())
    with pytest.raises(StateError, match="of another method"):
        trained("adamw").load_state_dict(trained("schedule_free_adamw").state_dict())
