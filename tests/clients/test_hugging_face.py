"""Hugging Face's Trainer: `optimizers=(optimizer, scheduler)`, resumed runs, and metrics of its evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

SCHEDULE = "warmup(5) >> cosine(to=0.01)"
PLATEAU = "warmup(5) >> constant() * plateau('eval_loss', factor=0.5, patience=0)"


class Rows(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> Any:
        return {"x": torch.randn(4, generator=torch.Generator().manual_seed(index)), "labels": torch.zeros(1)}


class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Learns nothing that an evaluation sees: its loss there is always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x: Any, labels: Any) -> dict[str, Any]:
        loss = ((self.layer(x) - labels) ** 2).mean()
        return {"loss": loss if self.training else torch.ones(()), "logits": torch.zeros(len(x), 1)}


class Watch(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
    """Notes what each update really uses, and stops after some where it is told so."""

    def __init__(self, stop: int | None = None) -> None:
        self.seen: list[Any] = []
        self.stop = stop

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        optimizer = others["optimizer"]
        self.seen.append([(group["lr"], group["weight_decay"], group["betas"][0]) for group in optimizer.param_groups])

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if state.global_step == self.stop:
            control.should_save = control.should_training_stop = True

    def rates(self, group: int = 0) -> list[float]:
        return [groups[group][0] for groups in self.seen]


def train(
    folder: Path, schedule: Any, base: float = 0.1, stop: int | None = None, resume: bool = False, **arguments: Any
) -> tuple[Watch, Any]:
    model, watch = Model(), Watch(stop)
    groups = [{"params": [model.layer.weight]}, {"params": [model.layer.bias], "lr": base / 10}]
    optimizer = torch.optim.AdamW(groups, lr=base)
    feedback = isinstance(schedule, str) and "plateau" in schedule
    scheduler = cd.torch_scheduler(optimizer, schedule, **({} if feedback else {"total": 18}))
    settings = transformers.TrainingArguments(
        str(folder), report_to="none", use_cpu=True, per_device_train_batch_size=4, num_train_epochs=3,
        save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, logging_strategy="no", **arguments,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model, settings, train_dataset=Rows(), eval_dataset=Rows(), optimizers=(optimizer, scheduler), callbacks=[watch]
    )
    trainer.train(resume_from_checkpoint=str(max(folder.glob("checkpoint-*"))) if resume else None)
    return watch, scheduler


def test_the_scheduler_is_stepped_once_for_each_update(tmp_path: Path) -> None:
    watch, scheduler = train(tmp_path, SCHEDULE)
    curve = cd.place(SCHEDULE, total=18, base=0.1)
    assert watch.rates() == curve.values().tolist()
    assert watch.rates(1) == pytest.approx(curve.values() / 10)
    assert scheduler.last_epoch == 18


def test_accumulation_is_one_update(tmp_path: Path) -> None:
    watch, _ = train(tmp_path, SCHEDULE, gradient_accumulation_steps=3)
    assert watch.rates() == cd.place(SCHEDULE, total=18, base=0.1).values(0, 6).tolist()


def test_decay_and_betas_follow_a_plan(tmp_path: Path) -> None:
    plan = {"lr": SCHEDULE, "weight_decay": "linear(to=2)", "beta1": "linear(to=0.5)"}
    watch, _ = train(tmp_path, plan)
    for i, value in enumerate(("lr", "weight_decay", "beta1")):
        wanted = cd.place(plan, total=18, base={"lr": 0.1, "weight_decay": 0.01, "beta1": 0.9}).values(value=value)
        assert [groups[0][i] for groups in watch.seen] == pytest.approx(wanted)


def test_a_metric_of_an_evaluation_governs_and_the_warmup_runs_by_updates(tmp_path: Path) -> None:
    watch, scheduler = train(tmp_path, PLATEAU, eval_strategy="steps", eval_steps=4, metric_for_best_model="loss")
    # Evaluations after updates 4 (the warmup's), 8 (the best), 12, 16 and, at the end, 18.
    warm = cd.place("warmup(5) >> constant()", base=0.1)
    assert watch.rates() == [warm.at(t) for t in range(12)] + [0.05] * 4 + [0.025] * 2
    assert scheduler.get_last_lr() == [0.0125, pytest.approx(0.00125)]
    assert [e["t"] for e in scheduler.driver.journal if e["kind"] == "cut"] == [12, 16, 18]


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        (SCHEDULE, {}),
        ({"lr": SCHEDULE, "weight_decay": "linear(to=2)", "beta1": "linear(to=0.5)"}, {}),
        (PLATEAU, {"eval_strategy": "steps", "eval_steps": 4, "metric_for_best_model": "loss"}),
    ],
)
@pytest.mark.parametrize("stop", [6, 13])
def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path, schedule: Any, arguments: Any, stop: int) -> None:
    unbroken, _ = train(tmp_path / "whole", schedule, **arguments)
    first, _ = train(tmp_path / "half", schedule, stop=stop, **arguments)
    # Made with another base: what was saved counts.
    second, _ = train(tmp_path / "half", schedule, base=0.7, resume=True, **arguments)
    assert len(first.seen) == stop
    assert first.seen + second.seen == unbroken.seen
    assert len(unbroken.seen) == 18
