"""What updates really did, group by group: as a loop of one's own records it."""

from __future__ import annotations

import copy
import importlib
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError
from cadence.drivers import effective, weight_decay

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def nothing_loses_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk costs most of the time here, and only matters where power fails."""
    monkeypatch.setattr("os.fsync", lambda fd: None)


def layers(seed: int = 0, dtype: Any = None) -> list[list[Any]]:
    """The weights of three groups: matrices, a vector, a stack of filters in another order of memory."""
    make = torch.Generator().manual_seed(seed)
    shapes = [[(7, 5), (3, 4)], [(6,)], [(2, 3, 4, 5)]]
    weights = [[torch.randn(shape, generator=make, dtype=dtype) for shape in group] for group in shapes]
    weights[2][0] = weights[2][0].contiguous(memory_format=torch.channels_last)
    return [[torch.nn.Parameter(x) for x in group] for group in weights]


def grouped(weights: list[list[Any]], **settings: Any) -> list[dict[str, Any]]:
    return [{"params": group, "name": name, **settings} for group, name in zip(weights, "abc", strict=True)]


def flat(group: list[Any]) -> Any:
    return np.concatenate([x.detach().double().numpy().ravel() for x in group])


def give_gradients(optimizer: Any, t: int) -> None:
    make = torch.Generator().manual_seed(1000 + t)
    for group in optimizer.param_groups:
        for x in group["params"]:
            x.grad = torch.randn(x.shape, generator=make).to(x.dtype)


def train(optimizer: Any, driver: Any, updates: int, look: Callable[[], Any] = lambda: None) -> list[Any]:
    seen: list[Any] = []
    for _ in range(updates):
        give_gradients(optimizer, driver.t)
        before = look()
        optimizer.step()
        seen.append((before, look()))
        driver.step()
    return seen


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "updates.jsonl").read_text(encoding="utf-8").splitlines()]


# ---- norms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "adagrad"])
def test_norms_are_those_of_the_weights_before_and_of_what_was_added(name: str, tmp_path: Path) -> None:
    weights = layers(dtype=torch.float64)
    optimizer = cd.optimizer(name, grouped(weights), lr=0.03, weight_decay=0.1)
    driver = cd.drive(optimizer, "warmup(3) >> cosine()", total=9, record=tmp_path, effective_rates=2)
    seen = train(optimizer, driver, 9, lambda: [flat(group) for group in weights])
    driver.close()
    table = cd.load_record(tmp_path).updates
    assert table["t"][table.present("update_norm")].tolist() == [0, 2, 4, 6, 8]
    for t in (0, 2, 4, 6, 8):
        for g, (before, after) in enumerate(zip(*seen[t], strict=True)):
            update, weight = np.linalg.norm(after - before), np.linalg.norm(before)
            assert table["update_norm"][t, g] == pytest.approx(update, rel=1e-12)
            assert table["weight_norm"][t, g] == pytest.approx(weight, rel=1e-12)
            assert table["update_ratio"][t, g] == pytest.approx(update / weight, rel=1e-12)


def test_many_values_are_measured_as_exactly_as_few(tmp_path: Path) -> None:
    # More than one piece, of a large tensor and of small ones, in single precision.
    make = torch.Generator().manual_seed(0)
    shapes = [(300, 1000), *[(64,)] * 1500, (70_001,)]
    weights = [torch.nn.Parameter(torch.randn(shape, generator=make)) for shape in shapes]
    optimizer = torch.optim.SGD(weights, lr=0.01)
    driver = cd.drive(optimizer, "constant()", total=1, record=tmp_path, effective_rates=1)
    [(before, after)] = train(optimizer, driver, 1, lambda: flat(weights))
    driver.close()
    [row] = rows(tmp_path)
    assert row["weight_norm"][0] == pytest.approx(np.linalg.norm(before), rel=1e-6)
    assert row["update_norm"][0] == pytest.approx(np.linalg.norm(after - before), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_norms_of_other_kinds_of_numbers(dtype: str, tmp_path: Path) -> None:
    # In half precision the norm itself would overflow.
    x = torch.nn.Parameter(torch.full((1000,), 4096.0).to(getattr(torch, dtype)))
    optimizer = torch.optim.SGD([x], lr=1.0)
    driver = cd.drive(optimizer, "constant()", total=1, record=tmp_path, effective_rates=1)
    x.grad = torch.full_like(x, 64.0)
    optimizer.step()
    driver.step()
    driver.close()
    [row] = rows(tmp_path)
    assert row["weight_norm"][0] == pytest.approx(4096 * 1000**0.5, rel=1e-6)
    assert row["update_norm"][0] == pytest.approx(64 * 1000**0.5, rel=1e-6)
    assert row["update_ratio"][0] == pytest.approx(1 / 64, rel=1e-6)


def test_frozen_weights_count_and_weights_at_zero_have_no_ratio(tmp_path: Path) -> None:
    frozen = torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False)
    moved, fresh = torch.nn.Parameter(torch.tensor([4.0])), torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD(
        [{"params": [frozen, moved]}, {"params": [fresh]}, {"params": [frozen.clone()]}], lr=0.5
    )
    driver = cd.drive(optimizer, "constant()", total=1, record=tmp_path, effective_rates=1)
    moved.grad, fresh.grad = torch.tensor([2.0]), torch.tensor([2.0, 0.0])
    optimizer.step()
    driver.step()
    driver.close()
    [row] = rows(tmp_path)
    assert row["update_norm"] == [1.0, 1.0, 0.0]
    assert row["weight_norm"] == [5.0, 0.0, 3.0]
    assert row["update_ratio"] == [0.2, None, 0.0]


def test_weights_that_diverge_are_told_as_they_are(tmp_path: Path) -> None:
    x = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([x], lr=1.0)
    driver = cd.drive(optimizer, "constant()", total=2, record=tmp_path, effective_rates=1)
    for _ in range(2):
        x.grad = torch.full((2,), float("inf"))
        optimizer.step()
        driver.step()
    driver.close()
    record = cd.load_record(tmp_path)
    assert record.updates["update_norm"][0, 0] == float("inf")
    assert record.effective_rates[0].update_ratio is None
    assert record.effective_rates[0].weight_norm == pytest.approx((2**0.5, 2**0.5))


# ---- what is measured when ----------------------------------------------------------------------------------------------


def test_measuring_changes_nothing_about_the_training(tmp_path: Path) -> None:
    results: list[Any] = []
    for every in (None, 1, 3):
        weights = layers()
        optimizer = cd.optimizer("lamb", grouped(weights), lr=0.01)
        driver = cd.drive(optimizer, "cosine()", total=7, record=tmp_path / str(every), effective_rates=every)
        train(optimizer, driver, 7)
        driver.close()
        results.append([flat(group) for group in weights])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert "update_norm" not in cd.load_record(tmp_path / "None").updates
    assert cd.load_record(tmp_path / "None").effective_rates == []


def test_large_groups_are_measured_at_different_updates_each_as_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effective, "SMALL", 0)
    weights = layers()  # 47, 6 and 120 values
    optimizer = torch.optim.SGD(grouped(weights), lr=0.1)
    driver = cd.drive(optimizer, "constant()", total=20, record=tmp_path, effective_rates=10)
    train(optimizer, driver, 20)
    driver.close()
    measured = {
        row["t"]: [g for g, x in enumerate(row["update_norm"]) if x is not None]
        for row in rows(tmp_path)
        if "update_norm" in row
    }
    assert measured == {0: [1, 2], 5: [0], 10: [1, 2], 15: [0]}
    assert [e.measured for e in cd.load_record(tmp_path).effective_rates] == [2, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_every_group_is_measured_once_a_round_and_no_more_is_kept_than_promised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(x) for x in 10 ** rng.uniform(0, 8, size=rng.integers(1, 80))]
    every = int(rng.integers(1, 30))
    rounds = effective.portions(sizes, every)
    assert sorted(g for groups in rounds.values() for g in groups) == list(range(len(sizes)))
    assert all(0 <= place < every for place in rounds)
    if len(sizes) <= every:
        # Where there is an update for each group, no portion outgrows the largest group.
        most = max(sum(sizes[g] for g in groups) for groups in rounds.values())
        assert most <= max(effective.SMALL, effective.LEEWAY * max(sizes))


def test_a_skipped_update_is_not_what_was_measured(tmp_path: Path) -> None:
    for fused in (False, True):
        x = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([x], lr=0.5, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
        folder = tmp_path / str(fused)
        driver = cd.drive(optimizer, "constant()", total=4, scaler=scaler, record=folder, effective_rates=2)
        for gradient in (float("inf"), 1.0, 1.0, float("nan"), 2.0):
            optimizer.zero_grad()
            scaler.scale((x * gradient).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            driver.step()
        driver.close()
        found = {row["t"]: row["update_norm"][0] for row in rows(folder) if "update_norm" in row}
        assert found == pytest.approx({0: 0.5 * 3**0.5, 2: 3**0.5})


def test_groups_that_are_added_and_states_that_are_loaded(tmp_path: Path) -> None:
    a, b = torch.nn.Parameter(torch.ones(4)), torch.nn.Parameter(torch.ones(9))
    optimizer = torch.optim.SGD([{"params": [a], "name": "a"}], lr=0.1)
    driver = cd.drive(optimizer, "constant()", total=6, record=tmp_path, effective_rates=2)
    train(optimizer, driver, 2)
    optimizer.add_param_group({"params": [b], "name": "b", "lr": 0.2})
    train(optimizer, driver, 2)
    optimizer.load_state_dict(optimizer.state_dict())
    train(optimizer, driver, 2)
    driver.close()
    record = cd.load_record(tmp_path)
    assert [(e.group, e.measured) for e in record.effective_rates] == [("a", 3), ("b", 2)]
    assert [len(row["update_norm"]) for row in rows(tmp_path) if "update_norm" in row] == [1, 2, 2]
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["decay"] == ["gradient", "gradient"]


def test_two_optimizers_under_one_plan(tmp_path: Path) -> None:
    weights = layers()
    first = torch.optim.SGD([{"params": weights[0], "name": "a"}], lr=0.1)
    second = torch.optim.AdamW(
        [{"params": weights[1], "name": "b"}, {"params": weights[2], "name": "c"}], lr=0.01, weight_decay=0.5
    )
    driver = cd.drive([first, second], "constant()", total=2, record=tmp_path, effective_rates=1)
    for t in range(2):
        for optimizer in (first, second):
            give_gradients(optimizer, t)
        before = [flat(group) for group in weights]
        second.step()
        first.step()
        after = [flat(group) for group in weights]
        driver.step()
    driver.close()
    row = rows(tmp_path)[1]
    norms = [np.linalg.norm(b - a) for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(row["update_norm"], norms, rtol=1e-4)
    assert row["decay_rate"] == [0.0, 0.005, 0.005]


def test_a_resumed_run_measures_as_an_unbroken_one(tmp_path: Path) -> None:
    def make(folder: str) -> tuple[Any, Any]:
        optimizer = torch.optim.AdamW(grouped(layers()), lr=0.01)
        return optimizer, cd.drive(optimizer, "cosine()", total=10, record=tmp_path / folder, effective_rates=3)

    optimizer, driver = make("whole")
    train(optimizer, driver, 10)
    driver.close()
    optimizer, driver = make("parts")
    train(optimizer, driver, 4)
    weights = [[x.detach().clone() for x in group["params"]] for group in optimizer.param_groups]
    saved = copy.deepcopy((optimizer.state_dict(), driver.state_dict()))
    train(optimizer, driver, 1)
    del driver
    optimizer, driver = make("parts")
    for group, kept in zip(optimizer.param_groups, weights, strict=True):
        for x, value in zip(group["params"], kept, strict=True):
            x.data.copy_(value)
    optimizer.load_state_dict(saved[0])
    driver.load_state_dict(saved[1])
    train(optimizer, driver, 6)
    driver.close()
    whole, parts = (cd.load_record(tmp_path / name) for name in ("whole", "parts"))
    for column in effective.COLUMNS[:3]:
        np.testing.assert_allclose(parts.updates[column], whole.updates[column], rtol=1e-6)
    assert [e.decay_sum for e in parts.effective_rates] == [e.decay_sum for e in whole.effective_rates]


# ---- trust ratios -------------------------------------------------------------------------------------------------------


class Trusting(torch.optim.SGD):
    """Tells trust ratios as LAMB does: one for each tensor that was updated, in the order of the groups."""

    answers: list[float]

    def trust_ratios(self) -> list[float]:
        return self.answers


def test_trust_ratios_are_told_by_group(tmp_path: Path) -> None:
    weights = layers()
    weights[0].append(torch.nn.Parameter(torch.ones(2)))  # gets no gradient, so it is not updated
    optimizer = Trusting(grouped(weights), lr=0.1)
    driver = cd.drive(optimizer, "constant()", total=2, record=tmp_path, effective_rates=1)
    for answers in ([0.5, 2.0, 3.0, 0.25], [1.0, 4.0]):
        give_gradients(optimizer, 0)
        weights[0][2].grad = None
        optimizer.answers = answers
        optimizer.step()
        optimizer.zero_grad()  # before the driver's step, as some loops do
        driver.step()
    driver.close()
    first, second = rows(tmp_path)
    assert first["trust_min"] == [0.5, 3.0, 0.25]
    assert first["trust_median"] == [1.25, 3.0, 0.25]
    assert first["trust_max"] == [2.0, 3.0, 0.25]
    # Not one for each tensor: nobody knows whose they are.
    assert "trust_min" not in second
    assert "update_norm" in second
    assert cd.load_record(tmp_path).effective_rates[0].trust == (0.5, 1.25, 2.0)


# ---- decay --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("independent", [False, True])
def test_the_sum_of_the_decay_is_exact_for_every_schedule(
    independent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if independent:
        monkeypatch.setitem(weight_decay.METHODS, ("torch", "AdamW"), weight_decay.Method("independent"))
    plan = {"lr": "warmup(4) >> cosine(to=0.1)", "weight_decay": "linear(to=0.5)"}
    groups = grouped(layers(), weight_decay=0.2)
    groups[1]["weight_decay"] = 0.0
    groups[2]["lr"] = 0.5
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    driver = cd.drive(optimizer, plan, total=37, steps_per_epoch=5, record=tmp_path, effective_rates=20)
    rates = []
    for _ in range(37):
        give_gradients(optimizer, driver.t)
        rates.append([g["weight_decay"] * (1.0 if independent else g["lr"]) for g in optimizer.param_groups])
        optimizer.step()
        driver.step()
    driver.close()
    record = cd.load_record(tmp_path)
    np.testing.assert_array_equal(record.updates["decay_rate"], rates)
    total, left = np.sum(rates, axis=0), np.prod(1 - np.array(rates), axis=0)
    for g, effect in enumerate(record.effective_rates):
        assert effect.decay == ("independent" if independent else "coupled")
        assert effect.decay_sum == pytest.approx(total[g], rel=1e-14)
        assert effect.decay_left == pytest.approx(left[g], rel=1e-13)
        if g == 1:
            assert effect.half_life is None
            continue
        # After so many updates at the run's mean rate, half of a weight is left.
        assert effect.half_life is not None
        assert left[g] ** (effect.half_life / 37) == pytest.approx(0.5, rel=1e-12)
        assert effect.half_life_epochs == pytest.approx(effect.half_life / 5)


def test_what_the_plan_does_not_govern_is_read_from_the_groups(tmp_path: Path) -> None:
    optimizer = torch.optim.AdamW(grouped(layers(), weight_decay=0.5), lr=0.1)
    driver = cd.drive(
        optimizer, {"a/lr": "constant()", "b/lr": "linear()"}, total=2, record=tmp_path, effective_rates=5
    )
    train(optimizer, driver, 1)
    optimizer.param_groups[2]["weight_decay"] = 0.25
    train(optimizer, driver, 1)
    driver.close()
    assert [row["decay_rate"] for row in rows(tmp_path)] == [[0.05, 0.05, 0.05], [0.05, 0.025, 0.025]]


def of_package(package: str) -> list[str]:
    return sorted(name for root, name in weight_decay.METHODS if root == package)


def shrinks(optimizer: Any, x: Any) -> list[float]:
    """Shares of a weight that three updates without a gradient take away, one after the other."""
    shares: list[float] = []
    for _ in range(3):
        before = x.detach().clone()
        x.grad = torch.zeros_like(x)
        optimizer.step()
        taken = 1 - x.detach() / before
        shares += [float(taken.min()), float(taken.max())]
    return shares


def settings(method: weight_decay.Method) -> list[dict[str, object]]:
    return [{}, *({key: value} for key, value, _ in method.settings)]


def check_rule(make: Callable[..., Any], lr: float, more: dict[str, object]) -> None:
    x = torch.nn.Parameter(torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    optimizer = make([x], lr=lr, weight_decay=0.25, **more)
    rule = weight_decay.decay_rule(optimizer, optimizer.param_groups[0])
    assert rule is not None
    rate = weight_decay.decay_rate(rule, lr, 0.25)
    shares = shrinks(optimizer, x)
    if rate is None:
        # Plain SGD is the one method whose L2 penalty has this rate too, as long as it has no momentum.
        assert type(optimizer) is torch.optim.SGD or shares != pytest.approx([lr * 0.25] * 6, rel=1e-6)
    else:
        assert shares == pytest.approx([rate] * 6, rel=1e-6)


@pytest.mark.parametrize("name", of_package("torch"))
@pytest.mark.parametrize("lr", [0.01, 0.03])
def test_without_a_gradient_torchs_methods_do_what_the_table_says(name: str, lr: float) -> None:
    for more in settings(weight_decay.METHODS["torch", name]):
        check_rule(getattr(torch.optim, name), lr, more)


@pytest.mark.parametrize("name", of_package("cadence"))
def test_without_a_gradient_our_methods_do_what_the_table_says(name: str) -> None:
    make = getattr(importlib.import_module(f"cadence.optim.for_torch.{name.lower()}"), name)
    for more in settings(weight_decay.METHODS["cadence", name]):
        check_rule(make, 0.01, more)


def test_all_of_our_methods_are_in_the_table() -> None:
    package = importlib.import_module("cadence.optim.for_torch")
    files = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert files == {name.lower() for name in of_package("cadence")}


@pytest.mark.parametrize("name", of_package("pytorch_optimizer"))
@pytest.mark.filterwarnings("ignore")
def test_without_a_gradient_pytorch_optimizers_methods_do_what_the_table_says(name: str) -> None:
    make = getattr(pytest.importorskip("pytorch_optimizer"), name)
    for more in settings(weight_decay.METHODS["pytorch_optimizer", name]):
        # Some leave the decay to the gradient by default.
        check_rule(make, 0.01, {"weight_decouple": True, **more})


def test_of_a_method_that_nobody_knows_nothing_is_said(tmp_path: Path) -> None:
    class Own(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            return None

    optimizer = Own(grouped(layers()), {"lr": 0.1, "weight_decay": 0.5})
    driver = cd.drive(optimizer, "constant()", total=2, record=tmp_path, effective_rates=1)
    train(optimizer, driver, 2)
    driver.close()
    assert "decay_rate" not in rows(tmp_path)[0]
    effect = cd.load_record(tmp_path).effective_rates[0]
    assert (effect.decay, effect.decay_sum, effect.half_life) == (None, None, None)
    assert effect.update_ratio == (0.0, 0.0, 0.0)


# ---- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "20"])
def test_a_distance_that_is_none_is_refused(every: Any, tmp_path: Path) -> None:
    optimizer = torch.optim.SGD(grouped(layers()), lr=0.1)
    with pytest.raises(DriverError, match="is no distance between measurements; write a number of updates"):
        cd.drive(optimizer, "constant()", record=tmp_path, effective_rates=every)


def test_a_record_is_needed(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD(grouped(layers()), lr=0.1)
    with pytest.raises(DriverError, match="needs a record"):
        cd.drive(optimizer, "constant()", effective_rates=20)


def test_columns_of_ones_own_have_other_names(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD(grouped(layers()), lr=0.1)
    driver = cd.drive(optimizer, "constant()", record=tmp_path, effective_rates=20)
    with pytest.raises(DriverError, match="the column 'update_norm' is that of effective_rates"):
        driver.log(loss=1.0, update_norm=2.0)


def test_parameters_that_are_spread_over_processes_are_refused(tmp_path: Path) -> None:
    x = torch.nn.Parameter(torch.ones(3))
    x._is_flat_param = True  # as those of FullyShardedDataParallel
    optimizer = torch.optim.SGD([x], lr=0.1)
    with pytest.raises(DriverError, match="spread over several processes"):
        cd.drive(optimizer, "constant()", record=tmp_path, effective_rates=20)
