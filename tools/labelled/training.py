"""One small training with everything about it recorded."""
# torch and scikit-learn say too little of their types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportMissingParameterType=false, reportUnknownParameterType=false

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import cadence as cd
from labelled.tasks import Task

OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD, "adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is trained, and what is done to it on purpose.

    Attributes:
        task, optimizer, lr, schedule, updates, batch, seed: of the training; `arguments` are the optimizer's.
        evaluate: updates from one evaluation to the next.
        judged: examples that each evaluation draws anew; below 0: as many, always the same; None: all.
        scale: of the initial weights.
        clip: largest norm of the gradient.
        spoiled: what is done, and at which update: ``("optimizer", 200)``: the optimizer's state is lost; ``("weights",
            200, 30)``: the weights are those of 30 updates before; ``("data", 200)``: other data from here on;
            ``("clean", 200)``: noise on the inputs ends here; ``("rate", 200, 240, 3.0)``: somebody else writes a rate
            times 3; ``("schedule", 200)``: the schedule begins anew.
        still: beginning of the names of parameters that are a group of their own, and the factor of its rate.
        wait: seconds that each batch takes, beside those of the update; 0: no times are recorded; below 0: no wait.
        half: whether gradients are scaled, and the largest finite value of them.
        start: a plan whose weights the training begins with.
    """

    task: Callable[[], Task]
    optimizer: str
    lr: float
    schedule: str
    updates: int = 400
    batch: int = 64
    seed: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    evaluate: int = 20
    judged: int | None = None
    scale: float = 1.0
    clip: float | None = None
    spoiled: tuple[Any, ...] = ()
    still: tuple[str, float] | None = None
    wait: float = 0.0
    half: float | None = None
    start: Plan | None = None


Columns = dict[str, np.ndarray]


def trained(plan: Plan) -> tuple[Columns, Columns, torch.nn.Module]:
    """Train, and tell what happened.

    Returns:
        Columns of the updates, columns of the evaluations, and the model.
    """
    torch.manual_seed(plan.seed)
    task = plan.task()
    model = task.model()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                p.mul_(plan.scale)
    if plan.start is not None:
        model.load_state_dict(trained(plan.start)[2].state_dict())
    return *_Loop(plan, task, model).run(), model


class _Loop:
    def __init__(self, plan: Plan, task: Task, model: torch.nn.Module) -> None:
        self.plan, self.task, self.model = plan, task, model
        self.groups = self._groups()
        self.optimizer = self._optimizer()
        self.driver = cd.drive(self.optimizer, cd.parse(plan.schedule), total=plan.updates)
        self.draw = np.random.default_rng([plan.seed, 7])
        self.rows: list[dict[str, Any]] = []
        self.found: list[dict[str, Any]] = []
        self.x, self.y = task.train
        self.noise = 1.0 if plan.spoiled[:1] == ("clean",) else 0.0
        self.loss_scale, self.good = 65536.0, 0
        self.kept: dict[int, Any] = {}
        self.order: list[int] = []

    def _groups(self) -> list[dict[str, Any]]:
        named = list(self.model.named_parameters())
        if self.plan.still is None:
            return [{"params": [p for _, p in named], "lr": self.plan.lr}]
        begins, factor = self.plan.still
        own = [p for name, p in named if name.startswith(begins)]
        rest = [p for name, p in named if not name.startswith(begins)]
        return [{"params": rest, "lr": self.plan.lr}, {"params": own, "lr": self.plan.lr * factor}]

    def _optimizer(self) -> torch.optim.Optimizer:
        groups = [dict(group, params=list(group["params"])) for group in self.groups]
        return OPTIMIZERS[self.plan.optimizer](groups, lr=self.plan.lr, **self.plan.arguments)

    def run(self) -> tuple[Columns, Columns]:
        for t in range(self.plan.updates):
            if t % self.plan.evaluate == 0:
                self.evaluate(t)
            if not self.update(t):
                break
        else:
            self.evaluate(self.plan.updates)
        return _columns(self.rows), _columns(self.found)

    def update(self, t: int) -> bool:
        plan = self.plan
        self.spoil(t)
        x, y = self.batch()
        loss = self.task.loss(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
        row: dict[str, Any] = {"t": t, "loss": float(loss.detach()), "grad_norm": float(norm)}
        if plan.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip)
        measured = t % 10 == 0
        before = [[p.detach().clone() for p in g["params"]] for g in self.groups] if measured else []
        row["lr"] = [float(g["lr"]) for g in self.optimizer.param_groups]
        done = self.scaled(row, norm)
        if done:
            self.optimizer.step()
        if measured:
            row["update_ratio"] = [_ratio(old, g["params"]) for old, g in zip(before, self.groups, strict=True)]
        if done:
            self.driver.step()
        if plan.wait:
            # Stated, not measured: what is recorded must not differ from one machine to another.
            row["update_seconds"] = 0.02 * (1 + 0.1 * self.draw.random())
            row["data_seconds"] = max(0.0, plan.wait) * (0.5 + self.draw.exponential(0.5)) + 0.0005
        self.rows.append(row)
        return bool(np.isfinite(row["loss"]))

    def scaled(self, row: dict[str, Any], norm: torch.Tensor) -> bool:
        """Whether the update is done under a loss scaler whose gradients end at `half`."""
        if self.plan.half is None:
            return True
        row["loss_scale"] = self.loss_scale
        if not float(norm) * self.loss_scale < self.plan.half:
            self.loss_scale, self.good = self.loss_scale / 2, 0
            return False
        self.good += 1
        if self.good % 100 == 0:
            self.loss_scale *= 2
        return True

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(self.x)
        if len(self.order) < self.plan.batch:
            self.order.extend(self.draw.permutation(n).tolist())
        rows, self.order = self.order[: self.plan.batch], self.order[self.plan.batch :]
        x = self.x[rows]
        if self.noise:
            x = x + self.noise * torch.from_numpy(self.draw.normal(size=x.shape).astype(np.float32))
        return x, self.y[rows]

    def evaluate(self, t: int) -> None:
        x, y = self.task.validation
        judged = self.plan.judged
        if judged is not None:
            rows = self.draw.integers(0, len(x), judged) if judged > 0 else np.arange(-judged)
            x, y = x[rows], y[rows]
        self.model.eval()
        with torch.no_grad():
            output = self.model(x)
            row = {"t": t, "val_loss": float(self.task.loss(output, y))}
            if self.task.accuracy is not None:
                row["val_accuracy"] = float(self.task.accuracy(output, y))
        self.model.train()
        self.found.append(row)
        if t and "plateau" in self.plan.schedule and np.isfinite(row["val_loss"]):
            self.driver.observe({"val_loss": row["val_loss"]})

    def spoil(self, t: int) -> None:
        kind, *where = self.plan.spoiled or ("nothing", -1)
        if kind == "weights":
            self.kept[t] = copy.deepcopy(self.model.state_dict())
            if t == where[0]:
                self.model.load_state_dict(self.kept[t - where[1]])
                self.renew(t)
        elif kind == "rate" and where[0] <= t < where[1]:
            for group in self.optimizer.param_groups:
                group["lr"] *= where[2]
        elif t != where[0]:
            return
        elif kind == "optimizer":
            self.renew(t)
        elif kind == "schedule":
            self.optimizer = self._optimizer()
            self.driver = cd.drive(self.optimizer, cd.parse(self.plan.schedule), total=self.plan.updates)
        elif kind == "data":
            self.y = (
                self.y[torch.from_numpy(np.random.default_rng(0).permutation(len(self.y)))] if where[1:] else self.y
            )
            self.x = self.x.flip(-1)
        elif kind == "clean":
            self.noise = 0.0

    def renew(self, t: int) -> None:
        """The optimizer as after a resume that forgot its state; the schedule goes on."""
        state = self.driver.state_dict()
        self.optimizer = self._optimizer()
        self.driver = cd.drive(self.optimizer, cd.parse(self.plan.schedule), total=self.plan.updates)
        self.driver.load_state_dict(state)


def _ratio(before: list[torch.Tensor], after: list[torch.Tensor]) -> float:
    moved = sum(float((b.detach() - a).pow(2).sum()) for a, b in zip(before, after, strict=True))
    size = sum(float(a.pow(2).sum()) for a in before)
    return float(np.sqrt(moved / size)) if size else float("nan")


def _columns(rows: list[dict[str, Any]]) -> Columns:
    """A column per key; NaN where a row lacks it."""
    columns: Columns = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        width = max((len(row[key]) for row in rows if isinstance(row.get(key), list)), default=0)
        empty: Any = [np.nan] * width if width else np.nan
        columns[key] = np.array([row.get(key, empty) for row in rows])
    return columns
