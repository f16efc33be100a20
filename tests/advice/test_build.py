"""What a recommendation makes: optimizer and driver for both frameworks, averages of the weights, recipes, searches."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import cadence as cd
from cadence._errors import AdviceError
from cadence.advice.code import loop_code
from cadence.recipe.load import recipe_from_text

SAID = {"task": "classification", "updates": 40, "batch_size": 8, "dataset_size": 320}


def torch_net():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))


def paddle_net():
    paddle = pytest.importorskip("paddle")
    paddle.seed(0)
    return paddle.nn.Sequential(paddle.nn.Linear(4, 8), paddle.nn.LayerNorm(8), paddle.nn.Linear(8, 2))


def train_torch(model, optimizer, driver, updates: int) -> list[float]:
    import torch

    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(updates):
        x = torch.randn(8, 4, generator=generator)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long())
        loss.backward()
        optimizer.step()
        driver.step()
        losses.append(float(loss.detach()))
    return losses


def test_the_optimizer_follows_the_curve_that_is_shown() -> None:
    model = torch_net()
    advice = cd.recommend(model=model, **SAID)
    optimizer, driver = advice.build(model)
    curve = advice.curve()
    for t in range(40):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(curve.at(t), rel=1e-12)
        train_torch(model, optimizer, driver, 1)
    assert driver.t == 40


def test_biases_and_normalisation_have_no_decay() -> None:
    model = torch_net()
    optimizer, _ = cd.recommend(model=model, **SAID).build(model)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, p in model.named_parameters():
        assert (decays[id(p)] > 0) == (name in ("0.weight", "2.weight")), name


def test_layer_decay_and_other_methods_reach_the_optimizer() -> None:
    model = torch_net()
    advice = cd.recommend(model=model, **SAID, given={"optimizer": "sgd"})
    advice = advice.having(groups={"no_decay": False, "layer_decay": 0.5}, learning_rate=0.1)
    optimizer, _ = advice.build(model)
    assert type(optimizer).__name__ == "SGD"
    peaks = [group["initial_lr"] if "initial_lr" in group else group["lr"] for group in optimizer.param_groups]
    assert max(peaks) / min(peaks) == pytest.approx(2, rel=1e-6)


def test_muon_leaves_embeddings_and_head_to_adamw_wherever_the_advice_goes() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Embedding(9, 8), torch.nn.Flatten(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    )
    long = {**SAID, "updates": 20_000}  # longer than what was measured, so that the practice is one of AdamW
    advice = cd.recommend(model=model, **long, given={"optimizer": "muonadamw"})
    assert advice["learning_rate"].value == cd.recommend(model=model, **long)["learning_rate"].value
    optimizer, _ = advice.build(model)
    turned = {id(p) for g in optimizer.param_groups if g["orthogonal"] for p in g["params"] if p.ndim > 1}
    assert turned == {id(model[2].weight)}
    recipe = recipe_from_text(advice.recipe(task="mine.task:make"), "made", name="made")
    assert recipe.groups["plain"].keys["orthogonal"] is False
    assert "orthogonal" in str(advice)


def test_paddle_gets_the_same_rates_and_decays() -> None:
    ours, theirs = paddle_net(), torch_net()
    advice, other = cd.recommend(model=ours, **SAID), cd.recommend(model=theirs, **SAID)
    assert [c.value for c in advice.choices] == [c.value for c in other.choices]
    optimizer, driver = advice.build(ours)
    curve = other.curve()
    import paddle

    for t in range(5):
        assert optimizer.get_lr() == pytest.approx(curve.at(t), rel=1e-6)
        loss = (ours(paddle.ones([2, 4])) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        driver.step()


AVERAGE = {"decay": 0.9, "start": "50%"}


def test_averaged_weights_are_in_the_model_after_eval_and_the_trained_ones_after_train() -> None:
    torch = pytest.importorskip("torch")
    model = torch_net()
    advice = cd.recommend(model=model, **SAID).having(averaging=AVERAGE)
    optimizer, driver = advice.build(model)
    entered = []
    for t in range(40):
        train_torch(model, optimizer, driver, 1)
        if t >= 20:
            entered.append(model[0].weight.detach().clone())
    trained = model[0].weight.detach().clone()
    expected = entered[0]
    for n, weights in enumerate(entered[1:], start=2):
        expected = torch.lerp(expected, weights, max(0.1, 9 / (n + 8)))
    optimizer.eval()
    torch.testing.assert_close(model[0].weight.detach(), expected)
    driver.observe({"val_loss": 1.0})
    optimizer.train()
    torch.testing.assert_close(model[0].weight.detach(), trained, rtol=0, atol=0)


def test_a_step_in_evaluation_mode_is_refused() -> None:
    model = torch_net()
    optimizer, driver = cd.recommend(model=model, **SAID).having(averaging=AVERAGE).build(model)
    train_torch(model, optimizer, driver, 30)
    optimizer.eval()
    with pytest.raises(TypeError, match="call optimizer"):
        train_torch(model, optimizer, driver, 1)


def test_the_average_survives_saving_and_loading() -> None:
    torch = pytest.importorskip("torch")

    def begun():
        model = torch_net()
        return (model, *cd.recommend(model=model, **SAID).having(averaging=AVERAGE).build(model))

    model, optimizer, driver = begun()
    train_torch(model, optimizer, driver, 30)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict(), driver.state_dict()))
    again, optimizer2, driver2 = begun()
    again.load_state_dict(saved[0])
    optimizer2.load_state_dict(saved[1])
    driver2.load_state_dict(saved[2])
    for m, o, d in ((model, optimizer, driver), (again, optimizer2, driver2)):
        train_torch(m, o, d, 5)
        o.eval()
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_saved_in_evaluation_mode_training_goes_on_with_the_weights_that_are_trained() -> None:
    torch = pytest.importorskip("torch")

    def begun():
        model = torch_net()
        return (model, *cd.recommend(model=model, **SAID).having(averaging=AVERAGE).build(model))

    model, optimizer, driver = begun()
    train_torch(model, optimizer, driver, 30)
    trained = model[0].weight.detach().clone()
    # As the documents say: eval() comes before saving.
    optimizer.eval()
    average = model[0].weight.detach().clone()
    assert not torch.equal(trained, average)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    again, optimizer2, _ = begun()
    again.load_state_dict(saved[0])
    optimizer2.load_state_dict(saved[1])
    torch.testing.assert_close(again[0].weight.detach(), average, rtol=0, atol=0)
    optimizer2.train()
    torch.testing.assert_close(again[0].weight.detach(), trained, rtol=0, atol=0)
    optimizer2.eval()
    torch.testing.assert_close(again[0].weight.detach(), average, rtol=0, atol=0)


def test_paddle_averages_likewise() -> None:
    import numpy as np

    paddle = pytest.importorskip("paddle")
    names = paddle.utils.unique_name.guard
    with names():
        model = paddle_net()
    optimizer, driver = cd.recommend(model=model, **SAID).having(averaging={"decay": 0.5, "start": None}).build(model)
    expected = None
    for n in range(1, 7):
        loss = (model(paddle.ones([2, 4])) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        driver.step()
        now = model[0].weight.numpy().copy()
        share = max(0.5, 9 / (n + 8))
        expected = now if expected is None else expected + share * (now - expected)
    optimizer.eval()
    np.testing.assert_allclose(model[0].weight.numpy(), expected, rtol=1e-5)
    # As on the disk: what it holds are the tensors themselves.
    state = {key: x.clone() if paddle.is_tensor(x) else x for key, x in optimizer.state_dict().items()}
    optimizer.train()
    np.testing.assert_array_equal(model[0].weight.numpy(), now)
    # Of a state that was saved after eval() the model has the average, and train() brings back what is trained.
    with names():  # as in another process
        again = paddle_net()
    other, _ = cd.recommend(model=again, **SAID).having(averaging={"decay": 0.5, "start": None}).build(again)
    again[0].weight.set_value(paddle.to_tensor(expected))
    other.set_state_dict(state)
    other.train()
    np.testing.assert_array_equal(again[0].weight.numpy(), now)
    other.eval()
    np.testing.assert_allclose(again[0].weight.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_weights_that_are_tied_come_back_as_they_are_trained(framework: str) -> None:
    library = pytest.importorskip(framework)
    layers = [library.nn.Linear(4, 4) for _ in range(2)]
    layers[1].weight = layers[0].weight
    model = library.nn.Sequential(*layers)
    optimizer, driver = cd.recommend(model=model, **SAID).having(averaging={"decay": 0.5}).build(model)
    for _ in range(4):
        (model(library.ones([2, 4])) ** 2).mean().backward()
        optimizer.step()
        (optimizer.clear_grad if framework == "paddle" else optimizer.zero_grad)()
        driver.step()
    trained = model[0].weight.detach().clone()
    optimizer.eval()
    assert not bool((model[0].weight == trained).all())
    optimizer.train()
    assert bool((model[0].weight == trained).all())


@pytest.mark.parametrize("framework", ["torch", "paddle"])
def test_the_lines_of_code_do_what_build_does(framework: str) -> None:
    library = pytest.importorskip(framework)
    model = (torch_net if framework == "torch" else paddle_net)()
    advice = cd.recommend(model=model, **SAID).having(clip_norm=1.0, schedule="warmup('40 samples') >> cosine()")
    rates: list[float] = []

    def loss(batch):
        optimizer = names["optimizer"]
        rates.append(optimizer.get_lr() if framework == "paddle" else optimizer.param_groups[0]["lr"])
        return (model(batch) ** 2).mean()

    names = {"model": model, "batches": [library.ones([2, 4])] * 12, "loss": loss}
    exec(loop_code(advice), names)  # noqa: S102 - that is what a reader does with it
    assert rates == pytest.approx([advice.curve().at(t) for t in range(12)], rel=1e-6)
    assert names["driver"].t == 12
    assert "averag" not in loop_code(advice)
    assert "average of the weights" in loop_code(advice.having(averaging=AVERAGE))


def test_the_recipe_can_be_read_and_says_what_is_built() -> None:
    model = torch_net()
    advice = cd.recommend(model=model, **SAID)
    recipe = recipe_from_text(advice.recipe(task="digits"), "made", name="made")
    assert recipe.main.lr == advice["learning_rate"].value
    assert recipe.schedule == advice.schedule
    assert recipe.no_decay
    assert recipe.total == 40
    assert recipe == recipe_from_text(advice.recipe(task="digits", comments=False), "made", name="made")


def test_the_reasons_stand_in_the_recipe_as_comments() -> None:
    text = cd.recommend(model="resnet50", data="imagenet", batch_size=2048, gpus=8, epochs=90).recipe(
        task="mine.task:make"
    )
    assert "arXiv:1706.02677" in text
    assert "batch_size: 256" in text
    assert all(len(line) <= 110 for line in text.splitlines())


def test_a_recipe_needs_a_task() -> None:
    with pytest.raises(AdviceError, match="a recipe needs the task by name"):
        cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90).recipe()


def test_the_search_is_as_wide_as_the_advice_is_unsure() -> None:
    sure = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90)
    assert sure.search_space()["lr"] == "log(0.05, 0.2)"
    unsure = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90, given={"optimizer": "lamb"})
    assert unsure["learning_rate"].confidence == "low"
    low, high = unsure.search_space()["lr"].removeprefix("log(").removesuffix(")").split(", ")
    assert float(high) / float(low) == pytest.approx(100, rel=0.02)
    text = sure.search(task="mine.task:make")
    assert "search:" in text
    assert "log(0.05, 0.2)" in text


def test_a_recipe_for_images_has_its_weights_with_the_channels_last_where_the_model_can_and_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("PIL")
    from cadence.run.imports import called
    from image_folders import image_folder

    path = "cadence.tasks.images.resnet_torch:resnet50"
    advice = cd.recommend(model=path, data=24, batch_size=8, epochs=1, hardware="A100", task="classification")
    text = advice.recipe(task="cadence.tasks.images:folder", model=path)
    assert "model_args: {channels_last: true}" in text
    assert "2.0 times" in text.replace("\n# ", " ")
    recipe = recipe_from_text(text, "made", name="made")
    model = called(recipe.model, "model", {**recipe.model_args, "classes": 3, "width": 8})
    assert model.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    # As it is written, but for what makes it small, and on what is here.
    monkeypatch.chdir(tmp_path)
    small = recipe.changed(
        task_args={"folder": str(image_folder(tmp_path / "data", train=8)), "size": 32, "workers": 0},
        model_args={**recipe.model_args, "classes": 3, "width": 8}, total=2, device="cpu", precision="fp32",
    )  # fmt: skip
    assert cd.train(small, out=tmp_path / "run").status == "finished"


def test_where_a_model_cannot_have_its_channels_last_the_recipe_says_how() -> None:
    advice = cd.recommend(model="resnet50", data="imagenet", batch_size=256, epochs=90, hardware="A100")
    text = advice.recipe(task="cadence.tasks.images:folder").replace("\n# ", " ")
    assert "model_args" not in text
    assert "model.to(memory_format=torch.channels_last)" in text
    assert "channels last" not in advice.having(layout=None).recipe(task="cadence.tasks.images:folder")
