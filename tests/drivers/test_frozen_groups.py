"""Groups that are not trained for a while: until when, what the optimizer does with them, what survives a resume."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd
from cadence._errors import CadenceError

torch = pytest.importorskip("torch")
nn = torch.nn

Groups = dict[str, dict[str, Any]]

GRADUAL: Groups = {
    "low": {"parameters": "0.*", "frozen": "2 epochs", "lr": "x0.01"},
    "middle": {"parameters": "2.*", "frozen": 3, "lr": "x0.1"},
}


def model() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def batch(t: int) -> Any:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(t)).double()


class Training:
    """A loop of one's own, with everything that a frozen parameter might be changed by: momentum and decay."""

    def __init__(self, groups: Groups, schedule: Any = "warmup(2) >> cosine(to=0.1)", **keys: Any) -> None:
        self.model = model()
        divided = cd.parameter_groups(self.model, groups, lr=0.1, weight_decay=0.1)
        self.optimizer = torch.optim.AdamW(divided)
        keys = {"total": 12, "steps_per_epoch": 3, **keys}
        self.driver = cd.drive(self.optimizer, schedule, **keys)

    def run(self, to: int) -> Training:
        while self.driver.t < to:
            self.optimizer.zero_grad()
            self.model(batch(self.driver.t)).square().mean().backward()
            self.optimizer.step()
            self.driver.step()
        return self

    def weights(self) -> list[list[float]]:
        return [p.detach().flatten().tolist() for p in self.model.parameters()]

    def trained(self) -> list[str]:
        return [name for name, p in self.model.named_parameters() if p.requires_grad]


def test_a_frozen_group_is_not_touched_and_then_trained_as_if_it_began_there() -> None:
    before = Training(GRADUAL).weights()
    training = Training(GRADUAL)
    for t in range(12):
        training.run(t)
        now, state = training.weights(), training.optimizer.state
        parameters = list(training.model.parameters())
        for first, until in ((0, 6), (2, 3), (4, 0)):  # 2 epochs of 3 updates; 3 updates; never frozen
            for i in (first, first + 1):
                frozen = t < until
                assert parameters[i].requires_grad is not frozen
                assert (now[i] == before[i]) == (t <= until)
                # Neither momentum nor a count of steps: the bias correction begins when training does.
                assert (float(state[parameters[i]]["step"]) if parameters[i] in state else 0) == max(0, t - until)
                assert parameters[i].grad is None or not frozen


def test_rates_are_those_of_groups_that_were_never_frozen() -> None:
    bare = {name: {k: v for k, v in keys.items() if k != "frozen"} for name, keys in GRADUAL.items()}
    a, b = Training(GRADUAL), Training(bare)
    for t in range(12):
        assert a.run(t).driver.values == b.run(t).driver.values


def test_the_journal_says_what_is_frozen_and_when_it_no_longer_is() -> None:
    training = Training(GRADUAL).run(12)
    events = [e for e in training.driver.journal if e["kind"] in ("freeze", "thaw")]
    assert [(e["t"], e["kind"], e["groups"]) for e in events] == [
        (0, "freeze", {"low": 6, "middle": 3}),
        (3, "thaw", ["middle"]),
        (6, "thaw", ["low"]),
    ]
    assert [e["sentence"] for e in events] == [
        "Frozen: low before update 6, middle before update 3.",
        "From update 3 on middle is trained, too.",
        "From update 6 on low is trained, too.",
    ]


@pytest.mark.parametrize("t", [0, 2, 3, 4, 6, 9])
def test_a_resumed_training_is_the_unbroken_one_to_the_bit(t: int) -> None:
    first, unbroken = Training(GRADUAL).run(t), Training(GRADUAL).run(12)
    resumed = Training(GRADUAL)
    resumed.model.load_state_dict(first.model.state_dict())
    resumed.optimizer.load_state_dict(first.optimizer.state_dict())
    resumed.driver.load_state_dict(first.driver.state_dict())
    assert resumed.trained() == first.trained()
    assert resumed.run(12).weights() == unbroken.weights()
    assert resumed.driver.journal == unbroken.driver.journal


def test_updates_that_step_was_not_told_of_thaw_as_well() -> None:
    training = Training(GRADUAL)
    for t in range(5):
        training.optimizer.zero_grad()
        training.model(batch(t)).square().mean().backward()
        training.optimizer.step()
    training.driver.step()
    assert training.driver.t == 5
    assert training.trained() == ["2.weight", "2.bias", "4.weight", "4.bias"]


def test_true_is_for_good_and_false_is_not_at_all() -> None:
    always = Training({"a": {"parameters": "0.*", "frozen": True}, "b": {"parameters": "2.*", "frozen": False}}).run(12)
    assert always.trained() == ["2.weight", "2.bias", "4.weight", "4.bias"]
    assert always.driver.journal[0]["sentence"] == "Frozen: a for good."


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    own = model()
    own[2].weight.requires_grad_(False)
    groups = cd.parameter_groups(own, {"low": {"parameters": "0.*", "frozen": 1}}, lr=0.1)
    driver = cd.drive(torch.optim.SGD(groups), "constant()", total=5)
    driver.step()
    assert [name for name, p in own.named_parameters() if not p.requires_grad] == ["2.weight"]


def test_a_group_that_is_added_later_may_be_frozen_too() -> None:
    training = Training({"low": {"parameters": "0.*", "frozen": 3}}).run(4)
    late = torch.ones(2, dtype=torch.float64, requires_grad=True)
    training.optimizer.add_param_group({"params": [late], "name": "late", "lr": 0.01, "frozen": 6})
    training.run(5)
    assert not late.requires_grad
    assert training.run(6).driver.t == 6
    assert late.requires_grad


def test_a_state_of_an_optimizer_without_frozen_groups_changes_nothing_of_it() -> None:
    training = Training({"low": {"parameters": "0.*", "frozen": 3}})
    state = Training({"low": {"parameters": "0.*"}}).run(2).optimizer.state_dict()
    training.optimizer.load_state_dict(state)
    assert "0.weight" not in training.run(2).trained()
    assert "0.weight" in training.run(3).trained()


def test_a_group_that_was_thawed_stays_so_in_a_longer_run() -> None:
    keys = {"low": {"parameters": "0.*", "frozen": "25%"}}
    first = Training(keys).run(4)  # thawed at 3 of 12
    longer = Training(keys, total=40)  # 25 % of it are 10
    longer.driver.load_state_dict(first.driver.state_dict(), change="extend")
    assert "0.weight" in longer.trained()
    young = Training(keys, total=40)
    young.driver.load_state_dict(Training(keys).run(2).driver.state_dict(), change="extend")
    assert "0.weight" not in young.run(9).trained()
    assert "0.weight" in young.run(10).trained()


def test_a_loss_scaler_leaves_frozen_groups_alone() -> None:
    own = model().float()
    groups = cd.parameter_groups(own, {"low": {"parameters": "0.*", "frozen": 2}}, lr=0.1)
    optimizer, scaler = torch.optim.SGD(groups, lr=0.1, momentum=0.9), torch.amp.GradScaler("cpu")
    driver = cd.drive(optimizer, "constant()", total=6, scaler=scaler)
    before = own[0].weight.detach().clone()
    for t in range(3):
        optimizer.zero_grad()
        scaler.scale(own(batch(t).float()).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        driver.step()
        assert torch.equal(own[0].weight, before) == (t < 2)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"a": {"parameters": "*", "frozen": 3}}, "every parameter group is frozen at update 0"),
        ({"a": {"parameters": "0.*", "frozen": "4 epochs"}}, "frozen for 4 epochs, 12 updates, and the run has 12"),
        ({"a": {"parameters": "0.*", "frozen": "1e6 tokens"}}, "tokens_per_step is not known"),
        ({"a": {"parameters": "0.*", "frozen": "3 epocs"}}, "no unit that is known here; did you mean 'epochs'"),
        ({"a": {"parameters": "0.*", "frozen": -1}}, "is negative"),
        ({"a": {"parameters": "0.*", "frozen": 1.5}}, "not a whole number of updates"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_length_that_cannot_be_meant_is_one_sentence(groups: Groups, said: str) -> None:
    with pytest.raises(CadenceError) as caught:
        Training(groups)
    assert said in str(caught.value)


def test_a_scheduler_refuses_what_only_a_driver_can_do() -> None:
    groups = cd.parameter_groups(model(), {"low": {"parameters": "0.*", "frozen": 2}}, lr=0.1)
    with pytest.raises(CadenceError, match=r"'low' says frozen: 2, .* use cadence.drive"):
        cd.torch_scheduler(torch.optim.SGD(groups), "constant()")


def test_frozen_is_no_value_that_a_plan_governs() -> None:
    groups = cd.parameter_groups(model(), {"low": {"parameters": "0.*", "frozen": 2}}, lr=0.1)
    with pytest.raises(CadenceError, match="the optimizer has no value 'frozen'"):
        cd.drive(torch.optim.SGD(groups), {"frozen": "constant()"}, total=5)


@pytest.mark.parametrize("name", ["adabound", "adagrad", "adamw", "lamb", "lars", "rmsprop"])
def test_methods_of_our_own_leave_frozen_groups_alone(name: str) -> None:
    own = model()
    groups = cd.parameter_groups(own, {"low": {"parameters": "0.*", "frozen": 2}}, lr=0.01, weight_decay=0.1)
    optimizer = cd.optimizer(f"cadence:{name}", groups, lr=0.01)
    driver = cd.drive(optimizer, "constant()", total=5)
    before = own[0].weight.detach().clone()
    for t in range(4):
        optimizer.zero_grad()
        own(batch(t)).square().mean().backward()
        optimizer.step()
        driver.step()
        assert torch.equal(own[0].weight, before) == (t < 2)
