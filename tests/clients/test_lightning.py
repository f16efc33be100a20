"""Lightning: what `configure_optimizers` may return, when it steps, and a run that is broken off and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

pytestmark = [
    # Of its own code, of its own advice on loaders, and of a run that is broken off within an epoch.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::lightning.fabric.utilities.warnings.PossibleUserWarning"),
]

SCHEDULE = "warmup(5) >> cosine(to=0.01)"
BATCHES = 6


class Net(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """A linear model that notes what each update really uses."""

    def __init__(self, schedule: Any, base: float = 0.1, entry: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
        self.schedule, self.base, self.entry, self.options = schedule, base, entry or {}, options
        self.seen: list[Any] = []
        self.losses = iter([1.0] * 100)

    def forward(self, x: Any) -> Any:
        return self.layer(x)

    def training_step(self, batch: Any, index: int) -> Any:
        return (self(batch[0]) ** 2).mean()

    def validation_step(self, batch: Any, index: int) -> None:
        pass

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.log("val_loss", torch.tensor(next(self.losses)))

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.seen.append([dict(group) for group in optimizer.param_groups])

    def configure_optimizers(self) -> Any:
        groups = [{"params": [self.layer.weight]}, {"params": [self.layer.bias], "lr": self.base / 10}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.base)
        self.scheduler = cd.torch_scheduler(self.optimizer, self.schedule, **self.options)
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": self.scheduler, **self.entry}}

    def rates(self, group: int = 0) -> list[float]:
        return [groups[group]["lr"] for groups in self.seen]


def loader() -> Any:
    x = torch.randn(BATCHES * 2, 4, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=2)


def trainer(folder: Path, **options: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(accelerator="cpu", devices=1, default_root_dir=str(folder), **{**quiet, **options})


def fit(net: Net, folder: Path, checkpoint: Path | None = None, **options: Any) -> Net:
    made = trainer(folder, **{"enable_checkpointing": False, **options})
    made.fit(net, loader(), loader(), ckpt_path=None if checkpoint is None else str(checkpoint))
    return net


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 18), (2, 9), (4, 6)])
def test_interval_step_is_one_step_for_each_update(tmp_path: Path, accumulate: int, updates: int) -> None:
    net = Net(SCHEDULE, entry={"interval": "step"}, total=updates)
    fit(net, tmp_path, max_epochs=3, accumulate_grad_batches=accumulate)
    curve = cd.place(SCHEDULE, total=updates, base=0.1)
    assert net.rates() == curve.values().tolist()
    assert net.rates(1) == pytest.approx([x / 10 for x in curve.values()])
    assert net.scheduler.last_epoch == updates


def test_the_length_that_lightning_estimates_is_the_run_s(tmp_path: Path) -> None:
    class Estimated(Net):
        def configure_optimizers(self) -> Any:
            self.options = {"total": self.trainer.estimated_stepping_batches}
            return super().configure_optimizers()

    net = fit(Estimated("linear()", entry={"interval": "step"}), tmp_path, max_epochs=2, accumulate_grad_batches=2)
    assert net.rates() == cd.place("linear()", total=6, base=0.1).values().tolist()


def test_interval_epoch_is_one_step_for_each_epoch(tmp_path: Path) -> None:
    net = fit(Net("warmup(1) >> linear()", entry={"interval": "epoch"}, total=4), tmp_path, max_epochs=4)
    assert net.rates() == [x for x in cd.place("warmup(1) >> linear()", total=4, base=0.1).values() for _ in range(6)]


def test_momentum_decay_and_betas_follow_a_plan(tmp_path: Path) -> None:
    plan = {"lr": SCHEDULE, "weight_decay": "linear(to=2)", "1/weight_decay": "constant()", "beta1": "linear(to=0.5)"}
    net = fit(Net(plan, entry={"interval": "step"}, total=12), tmp_path, max_epochs=2)
    curve = cd.place(plan, total=12, base={"lr": [0.1, 0.01], "weight_decay": [0.01] * 2, "beta1": [0.9] * 2})
    for g in range(2):
        for value, read in (("weight_decay", lambda x: x["weight_decay"]), ("beta1", lambda x: x["betas"][0])):
            seen = [read(groups[g]) for groups in net.seen]
            assert seen == pytest.approx(curve.values(group=g, value=value))


@pytest.mark.parametrize("reported", [{"monitor": "val_loss"}, {"monitor": "val_loss", "interval": "step"}])
def test_a_plateau_is_stepped_after_validation_and_a_warmup_before_it_runs_by_updates(
    tmp_path: Path, reported: dict[str, Any]
) -> None:
    schedule = "warmup(8) >> constant() * plateau('val_loss', factor=0.5, patience=1)"
    net = Net(schedule, entry={**reported, "frequency": 1 if "interval" not in reported else BATCHES})
    fit(net, tmp_path, max_epochs=6)
    warm = cd.place("warmup(8) >> constant()", base=0.1)
    # The first evaluation is the warmup's; the second is the best, and two without improvement cut.
    assert net.rates()[:24] == [warm.at(t) for t in range(24)]
    assert net.rates()[24:] == [0.05] * 12
    assert net.rates(1)[24:] == pytest.approx([0.005] * 12)


def test_a_plateau_without_validation_is_told_the_training_metric(tmp_path: Path) -> None:
    class Trains(Net):
        def training_step(self, batch: Any, index: int) -> Any:
            self.log("train_loss", 1.0, on_epoch=True, on_step=False)
            return super().training_step(batch, index)

    net = Trains("constant() * plateau('train_loss', factor=0.5, patience=0)", entry={"monitor": "train_loss"})
    trainer(tmp_path, max_epochs=3, enable_checkpointing=False).fit(net, loader())
    assert net.rates() == [0.1] * 12 + [0.05] * 6


PLATEAU = "warmup(8) >> constant() * plateau('val_loss', factor=0.5, patience=0)"


@pytest.mark.parametrize(
    ("schedule", "entry", "total", "broken"),
    [
        (SCHEDULE, {"interval": "step"}, 24, {"max_epochs": 2}),
        ("warmup(1) >> linear()", {"interval": "epoch"}, 4, {"max_epochs": 2}),
        (PLATEAU, {"monitor": "val_loss"}, None, {"max_epochs": 3}),
        ({"lr": SCHEDULE, "beta1": "linear(to=0.5)"}, {"interval": "step"}, 24, {"max_epochs": 1}),
    ],
)
def test_a_run_that_goes_on_from_a_checkpoint_is_the_unbroken_one(
    tmp_path: Path, schedule: Any, entry: Any, total: int | None, broken: Any
) -> None:
    options = {} if total is None else {"total": total}
    unbroken = fit(Net(schedule, entry=entry, **options), tmp_path, max_epochs=4)
    first = Net(schedule, entry=entry, **options)
    begun = trainer(tmp_path, enable_checkpointing=False, **broken)
    begun.fit(first, loader(), loader())
    begun.save_checkpoint(tmp_path / "half.ckpt")
    # Made with another base: what was saved counts.
    second = fit(Net(schedule, base=0.7, entry=entry, **options), tmp_path, tmp_path / "half.ckpt", max_epochs=4)
    assert values(first) + values(second) == values(unbroken)
    assert 0 < len(first.seen) < len(unbroken.seen) == 24


def values(net: Net) -> list[Any]:
    return [[(group["lr"], group["betas"]) for group in groups] for groups in net.seen]


def test_a_checkpoint_from_the_middle_of_an_epoch_goes_on_there(tmp_path: Path) -> None:
    # (Of a plateau Lightning leaves out the evaluation of an epoch that it goes on with, torch's own included.)
    class Save(lightning.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(self, trainer: Any, *others: Any) -> None:
            if trainer.global_step == 15:
                trainer.save_checkpoint(tmp_path / "15.ckpt")

    first = fit(Net(SCHEDULE, entry={"interval": "step"}, total=24), tmp_path, max_epochs=4, callbacks=[Save()])
    second = Net(SCHEDULE, base=0.7, entry={"interval": "step"}, total=24)
    fit(second, tmp_path, tmp_path / "15.ckpt", max_epochs=4)
    assert values(second) == values(first)[15:]


def test_the_rate_is_what_lightning_s_own_monitor_sees(tmp_path: Path) -> None:
    monitor = lightning.pytorch.callbacks.LearningRateMonitor(logging_interval="step")
    from lightning.pytorch.loggers import CSVLogger

    net = Net(SCHEDULE, entry={"interval": "step", "name": "rate"}, total=12)
    fit(net, tmp_path, max_epochs=2, callbacks=[monitor], logger=CSVLogger(str(tmp_path)), log_every_n_steps=1)
    assert monitor.lrs == {"rate/pg1": net.rates(), "rate/pg2": net.rates(1)}
