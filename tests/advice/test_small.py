"""Small trainings: which kind they are, what their optimizers are made of, and that the advice holds what it promises."""

from __future__ import annotations

import itertools
import math

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
nn = torch.nn


def advised(model, task: str, rows: int, updates: int = 600, batch: int = 32, **more):
    return cd.recommend(
        model=model, task=task, updates=updates, batch_size=batch, dataset_size=rows, **more
    )  # fmt: skip


def dense(inputs: int = 20, hidden: int = 64, outputs: int = 4):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )


def pictures():
    """A dense net on 64 inputs."""
    return dense(64)


def convolutions():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


def wide():
    """Some 19,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.cells = nn.GRU(16, 16, batch_first=True)
        self.out = nn.Linear(16, 50)

    def forward(self, x):
        return self.out(self.cells(self.table(x))[0])


def test_matrices_take_orthogonal_steps_and_head_tables_and_vectors_do_not() -> None:
    advice = advised(Words(), "lm", 100_000)
    model = Words()
    optimizer, _ = advice.build(model)
    turned = {id(p) for g in optimizer.param_groups if g["orthogonal"] for p in g["params"] if p.ndim >= 2}
    assert turned == {id(model.cells.weight_ih_l0), id(model.cells.weight_hh_l0)}
    free = {id(p) for g in optimizer.param_groups if g["weight_decay"] == 0 for p in g["params"]}
    assert id(model.table.weight) in free
    assert id(model.out.weight) not in free
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("make", "task", "rows", "rate", "decay"),
    [
        (dense, "classification", 100, 0.002, 1.0),
        (dense, "classification", 2000, 0.002, 1.0),
        (pictures, "classification", 100, 0.01, 0.95),
        (wide, "classification", 1000, 0.01, 0.33),
        (wide, "classification", 200, 0.01, 1.0),
        (convolutions, "classification", 1000, 0.03, 0.33),
        (dense, "regression", 100, 0.002, 1.0),
        (pictures, "regression", 100, 0.005, 1.5),
        (dense, "regression", 1500, 0.02, 0.7),
        (dense, "regression", 1100, 0.02, 1.0),
        (dense, "denoising", 100, 0.02, 1.0),
        (dense, "regression", 10_000, 0.02, 0.33),
        (Words, "lm", 500, 0.02, 0.33),
    ],
)
def test_rate_and_decay_follow_from_what_is_known_of_the_data(
    make, task: str, rows: int, rate: float, decay: float
) -> None:
    advice = advised(make(), task, rows)
    assert (advice["learning_rate"].value, advice["weight_decay"].value) == (rate, decay)
    assert advice["learning_rate"].source.kind == "measured"


def test_a_row_more_makes_no_leap() -> None:
    for task, model, most in (
        ("classification", dense(64), 1000),
        ("regression", dense(64), 3000),
        ("denoising", dense(), 3000),
    ):
        found = [advised(model, task, rows) for rows in range(40, most, 7)]
        pairs = [
            (a["learning_rate"].value, a["weight_decay"].value) for a in found if a.profile.parameters_per_sample > 6
        ]
        for one, other in itertools.pairwise(pairs):
            assert all(abs(math.log(x / y)) < 0.25 for x, y in zip(one, other, strict=True)), (task, one, other)


def test_a_single_layer_has_no_hidden_matrix_and_no_decay() -> None:
    model = nn.Linear(16, 3)
    optimizer, _ = advised(model, "classification", 300).build(model)
    assert not any(g["orthogonal"] or g["weight_decay"] for g in optimizer.param_groups)


class Tables(nn.Module):
    """Tables alone, or before a layer, the last of them where a head stands."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        self.slopes = nn.Embedding(30, 1)
        self.both = nn.ModuleDict({"pairs": nn.Embedding(30, 4), **layers})


@pytest.mark.parametrize(
    "layers", [{}, {"last": nn.Linear(4, 2)}, {"hidden": nn.Linear(4, 4), "last": nn.Linear(4, 2)}]
)
def test_tables_that_stand_where_a_head_does_are_tables(layers: dict[str, nn.Module]) -> None:
    model = Tables(**layers)
    optimizer, _ = advised(model, "regression", 300).build(model)
    held = [id(p) for g in optimizer.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    tables = {id(model.slopes.weight), id(model.both["pairs"].weight)}
    groups = [g for g in optimizer.param_groups if tables & {id(p) for p in g["params"]}]
    assert [(g["orthogonal"], g["weight_decay"]) for g in groups] == [(False, 0.0)]


def test_complex_numbers_are_trained_by_what_can() -> None:
    model = nn.ParameterDict(
        {"kernel": nn.Parameter(torch.ones(4, 4, dtype=torch.complex64)), "gain": torch.ones(2, 4)}
    )
    optimizer, driver = advised(model, "regression", 300).build(model)
    (model["kernel"].abs().sum() + model["gain"].sum()).backward()
    optimizer.step()
    driver.step()
    assert model["kernel"].dtype == torch.complex64
    assert float(model["kernel"].abs().max().detach()) < 1.0


def test_what_goes_on_from_trained_weights_takes_the_same_steps_and_says_when_not_to() -> None:
    tuned, new = (advised(wide(), "classification", 1000, fine_tuning=x) for x in (True, False))
    assert tuned.setting == new.setting
    assert (tuned["learning_rate"].confidence, new["learning_rate"].confidence) == ("low", "medium")
    assert "far more data" in tuned["learning_rate"].alternatives[0].decides.en


def test_a_large_model_is_no_small_one_because_most_of_it_is_frozen() -> None:
    model = nn.Sequential(nn.Linear(1500, 1500).requires_grad_(False), nn.ReLU(), nn.Linear(1500, 3))
    advice = advised(model, "classification", 300, fine_tuning=True)
    assert advice.profile.parameters < 5000
    assert advice.practice.name != "small"


@pytest.mark.parametrize("task", ["translation", "contrastive"])
def test_kinds_that_were_not_measured_are_not_trained_at_rates_of_large_ones(task: str) -> None:
    advice = advised(Words(), task, 1000)
    assert advice["learning_rate"].value == 0.02
    assert advice["learning_rate"].confidence == "low"


def test_known_noise_keeps_a_large_classifier_from_learning_it_and_a_small_one_as_it_is() -> None:
    noisy = advised(wide(), "classification", 1000, noise=0.2)
    assert (noisy.setting.name, noisy["weight_decay"].value) == ("adamw", 3.0)
    assert "wrong labels" in noisy["optimizer"].reason.en
    assert advised(wide(), "classification", 1000, noise=0.0).setting.name == "muonadamw"
    assert advised(convolutions(), "classification", 1000, noise=0.2).setting.name == "muonadamw"


def test_the_recipe_makes_the_same_groups_as_build(tmp_path) -> None:
    yaml = pytest.importorskip("yaml")
    keys = yaml.safe_load(advised(convolutions(), "classification", 1000).recipe(task="digits"))
    assert keys["optimizer"]["name"] == "muonadamw"
    assert keys["groups"] == {"head": {"parameters": ["role:head"], "orthogonal": False, "weight_decay": 0.0}}


def test_the_text_tells_which_parameters_take_which_steps() -> None:
    told = " ".join(str(advised(convolutions(), "classification", 1000)).split())
    assert "head (role:head): not orthogonal, weight_decay 0" in told


def test_a_method_that_is_asked_for_has_its_own_numbers() -> None:
    advice = advised(dense(), "classification", 1000, given={"optimizer": "adamw"})
    optimizer, _ = advice.build(dense())
    assert type(optimizer).__name__ == "AdamW"
    assert "orthogonal" not in optimizer.param_groups[0]


@pytest.mark.parametrize("outputs", [2, 10])
def test_it_ends_below_adamw_at_its_usual_rate_on_data_that_it_has_not_seen(outputs: int) -> None:
    """A teacher's labels, a tenth of them wrong: 600 updates of 24 passes."""
    torch.manual_seed(3)
    teacher = dense(12, 32, outputs)
    x = torch.randn(1800, 12)
    y = (3 * teacher(x)).argmax(1)
    y = torch.where(torch.rand(1800) < 0.1, torch.randint(0, outputs, (1800,)), y)

    def trained(make) -> float:
        torch.manual_seed(0)
        model = dense(12, 64, outputs)
        optimizer, driver = make(model)
        for t in range(600):
            rows = torch.randint(0, 800, (32,), generator=torch.Generator().manual_seed(t))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            driver.step()
        with torch.no_grad():
            return nn.functional.cross_entropy(model(x[800:]), y[800:]).item()

    def usual(model):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        return optimizer, cd.drive(optimizer, cd.warmup("7%") >> cd.cosine(), total=600)

    ours = trained(advised(dense(12, 64, outputs), "classification", 800).build)
    assert ours < 1.02 * trained(usual)


def test_a_single_layer_is_not_said_to_take_orthogonal_steps() -> None:
    choice = cd.recommend(
        model=torch.nn.Linear(40, 3), task="classification", updates=600, batch_size=32, dataset_size=1200
    )["optimizer"]
    assert choice.value["orthogonal"] is False
    assert "orthogonal steps (Muon)" not in choice.reason.en
    assert "AdamW's steps" in choice.reason.en
