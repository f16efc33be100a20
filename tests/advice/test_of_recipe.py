"""Recipes with keys left open, filled in; pilots with the project's own engines."""

from __future__ import annotations

import pytest

import cadence as cd
from cadence._errors import AdviceError, RecipeError
from cadence.advice.of_recipe import recommend_recipe
from cadence.recipe.load import recipe_from_text


def test_task_and_total_are_enough() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    advice = recommend_recipe({"task": "digits", "total": "20 epochs"})
    assert advice.profile.task == "classification"
    assert advice.profile.updates == 20 * 14
    assert advice.profile.dataset_size == 896
    recipe = recipe_from_text(advice.recipe(), "made", name="made")
    assert recipe.total == "20 epochs"
    assert recipe.main.lr == advice["learning_rate"].value


def test_what_the_recipe_says_is_kept() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {
        "task": "digits", "total": 100, "optimizer": {"name": "sgd", "momentum": 0.8}, "clip_norm": 0.7,
        "schedule": "linear()", "tags": ["mine"], "batch_size": 32,
    }  # fmt: skip
    advice = recommend_recipe(keys)
    recipe = recipe_from_text(advice.recipe(), "made", name="made")
    assert recipe.main.name == "sgd"
    assert recipe.main.arguments["momentum"] == 0.8
    assert (recipe.clip_norm, recipe.schedule, recipe.tags, recipe.batch_size) == (0.7, "linear()", ["mine"], 32)
    assert advice["schedule"].source.kind == "given"
    assert recipe.main.lr > 0


def test_text_is_taken_for_a_language_model() -> None:
    pytest.importorskip("torch")
    advice = recommend_recipe({"task": "bytes", "total": 50, "batch_size": 4})
    assert advice.profile.task == "lm"
    assert advice.profile.tokens == 50 * 4 * advice.profile.tokens_per_example
    told = {text.en: text.zh for text in advice.profile.assumed}
    assert told["the task bytes is language modelling, because its rows are tokens"].startswith("任务 bytes 为语言建模")
    with pytest.raises(AdviceError, match="updates is said, and the recipe says it itself"):
        recommend_recipe({"task": "bytes", "total": 50}, updates=60)


@pytest.mark.parametrize(
    ("keys", "error", "sentence"),
    [
        ({"task": "digits"}, AdviceError, "the recipe does not say how long the run is"),
        ({"task": "digits", "total": 9, "optimiser": {}}, RecipeError, "no key 'optimiser'"),
        ({"task": "digits", "total": 9, "optimizer": {"a": {"name": "sgd", "lr": 1.0}}}, RecipeError, "several optimizers"),
        (
            {"task": "digits", "total": 9, "optimizer": {"name": "sgd", "lr": 0.1,
             "scale_lr": {"rule": "linear", "reference_batch": 8}}},
            RecipeError,
            "scales a rate that is stated",
        ),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_filled_in_is_refused(keys, error, sentence: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    with pytest.raises(error, match=sentence):
        recommend_recipe(keys)


@pytest.mark.parametrize("engine", ["torch", "paddle"])
def test_a_pilot_trains_with_the_engine_and_is_judged_on_data_it_has_not_used(engine: str) -> None:
    pytest.importorskip(engine)
    pytest.importorskip("sklearn")
    keys = {"task": "digits", "total": 300, "engine": engine, "initial_weights": engine, "batch_size": 32}
    advice = recommend_recipe(keys, pilot=True, pilot_budget=24)
    found = advice.piloted
    assert found.used <= 24
    assert all(trial.loss < 3 for trial in found.trials if not trial.diverged)
    assert len({trial.loss for trial in found.trials}) == len(found.trials)
    assert advice["learning_rate"].source.kind == "pilot"
    recipe_from_text(advice.recipe(), "made", name="made")


def test_equal_runs_of_an_engine_pilot_give_equal_losses() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {"task": "digits", "total": 300, "batch_size": 32}
    first, second = (recommend_recipe(keys, pilot=True, pilot_budget=24).piloted.trials for _ in range(2))
    assert first == second


def test_the_recipe_that_was_filled_in_trains(tmp_path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    path = tmp_path / "r.yaml"
    path.write_text(recommend_recipe({"task": "digits", "total": 20, "batch_size": 16}).recipe(), encoding="utf-8")
    record = cd.train(path, out=tmp_path / "run")
    assert record.status == "finished"


def test_ranks_train_on_their_share_of_an_update() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {"task": "digits", "total": "10 epochs", "batch_size": 32}
    alone, two = recommend_recipe(keys), recommend_recipe(keys, gpus=2)
    assert (alone.profile.batch_size, two.profile.batch_size) == (32, 64)
    assert (alone.profile.updates, two.profile.updates) == (280, 140)
    assert recipe_from_text(two.recipe(), "made", name="made").batch_size == 32


def test_a_pilot_keeps_the_ratios_of_groups_and_rows_that_judge_apart() -> None:
    torch = pytest.importorskip("torch")
    from itertools import islice
    from types import SimpleNamespace

    from cadence.advice.engine_pilot import _kept_apart, _Rates

    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.01}], lr=0.1)
    _Rates(SimpleNamespace(optimizers=[optimizer]))(0.3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.3, 0.03])
    data = SimpleNamespace(batches=lambda seed, epoch, size: list(range(20)))
    trained, judges = _kept_apart(SimpleNamespace(data=data), SimpleNamespace(accumulate=2, batch_size=8), 0)
    seen = {batch for group in islice(trained, 30) for batch in group}
    assert judges == [16, 17, 18, 19]
    assert seen == set(range(16))


def test_what_a_recipe_leaves_open_about_its_end_is_filled_in() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {"task": "digits", "total": "10 epochs", "tune": {"lr": [0.1, 0.2]}}
    advice = recommend_recipe(keys)
    recipe = recipe_from_text(advice.recipe(), "made", name="made")
    # Rows that come again are learnt by heart: the best checkpoint is kept.
    assert recipe.checkpoint.best == "val_loss"
    assert "tune:" in advice.recipe(comments=False)
    # Of a search the end of every trial counts.
    assert "tune:" not in advice.search()
    assert "search:" in advice.search()


def test_a_recipe_says_the_same_of_averages_and_labels_for_either_engine() -> None:
    pytest.importorskip("paddle")
    pytest.importorskip("sklearn")
    keys = {"task": "digits", "total": 60, "engine": "paddle"}
    advice = recommend_recipe(keys).having(averaging={"decay": 0.99}, label_smoothing=0.1)
    recipe = recipe_from_text(advice.recipe(), "made", name="made")
    assert recipe.average is not None
    assert (recipe.average.decay, recipe.label_smoothing) == (0.99, 0.1)
