"""Small training scripts in the idioms of torch, each with what its rate depends on; `BATCHES` is their loader's length."""

from __future__ import annotations

BATCHES = 3

PREAMBLE = """
import math
import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset
model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
criterion = nn.MSELoss()
train_loader = DataLoader(TensorDataset(torch.zeros(3, 1), torch.zeros(3, 1)), batch_size=1)
val_loader = DataLoader(TensorDataset(torch.zeros(2, 1), torch.zeros(2, 1)), batch_size=1)
"""

SCRIPTS: dict[str, str] = {
    "constant": """
optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
for epoch in range(4):
    for x, y in train_loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
""",
    "step per epoch": """
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
for epoch in range(10):
    for i, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        if i % 2 == 0:
            print(f"loss {loss.item()}", end="")
    scheduler.step()
""",
    "stepped at the beginning": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
for epoch in range(1, 6):
    scheduler.step()
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
""",
    "one cycle per batch": """
EPOCHS = 4
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, epochs=EPOCHS, steps_per_epoch=len(train_loader))
for epoch in range(EPOCHS):
    model.train()
    for batch, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
""",
    "cosine over all steps": """
epochs = 5
total_steps = epochs * len(train_loader)
optimizer = optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=1e-5)
def train_one_epoch(model, loader, optimizer, scheduler):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
def main():
    for epoch in range(epochs):
        train_one_epoch(model, train_loader, optimizer, scheduler)
if __name__ == "__main__":
    main()
""",
    "cosine too short": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 9)
for epoch in range(12):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "warmup then cosine by hand": """
warmup_epochs, epochs = 3, 12
optimizer = optim.SGD(model.parameters(), lr=0.1)
warm = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=warmup_epochs)
cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs - warmup_epochs)
for epoch in range(epochs):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    if epoch < warmup_epochs:
        warm.step()
    else:
        cosine.step()
""",
    "the order trap": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
warm = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=3)
main = lr_scheduler.LambdaLR(optimizer, lambda e: 0.9 ** e)
for epoch in range(8):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    warm.step() if epoch < 3 else main.step()
""",
    "schedulers that fight": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
a = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
b = lr_scheduler.StepLR(optimizer, 4)
for epoch in range(10):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    a.step()
    b.step()
""",
    "sequential": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.SequentialLR(
    optimizer,
    schedulers=[lr_scheduler.ConstantLR(optimizer, 0.1, total_iters=2), lr_scheduler.ExponentialLR(optimizer, gamma=0.9)],
    milestones=[2],
)
for epoch in range(7):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "chained": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
first = lr_scheduler.ConstantLR(optimizer, factor=0.1, total_iters=2)
second = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
scheduler = lr_scheduler.ChainedScheduler([first, second])
for epoch in range(7):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "groups": """
lr = 1e-3
optimizer = optim.AdamW([
    {"params": model[0].parameters(), "lr": lr / 2},
    {"params": model[1].parameters()},
], lr=lr)
scheduler = lr_scheduler.LambdaLR(optimizer, [lambda e: 0.5 ** e, lambda e: 1 / (1 + e)])
for epoch in range(5):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "accumulation": """
accumulate = 2
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
for epoch in range(5):
    for i, (x, y) in enumerate(train_loader):
        (criterion(model(x), y) / accumulate).backward()
        if (i + 1) % accumulate == 0 or (i + 1) == len(train_loader):
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
""",
    "guard with continue": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
for epoch in range(5):
    for i, (x, y) in enumerate(train_loader):
        criterion(model(x), y).backward()
        if i % 2:
            continue
        optimizer.step()
        scheduler.step()
""",
    "a rate by hand": """
def adjust(optimizer, epoch):
    lr = 0.1 * (0.1 ** (epoch // 2))
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr
optimizer = optim.SGD(model.parameters(), 0.1)
for epoch in range(6):
    adjust(optimizer, epoch)
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
""",
    "warmup by hand over a scheduler": """
base = 0.1
optimizer = optim.SGD([{"params": model[0].parameters(), "lr": base * 0.5}, {"params": model[1].parameters()}], lr=base)
scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
for epoch in range(8):
    if epoch < 3:
        for g in optimizer.param_groups:
            g["lr"] = base * (epoch + 1) / 3
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "a formula of the step": """
total, warm, step = 12, 4, 0
optimizer = optim.Adam(model.parameters(), lr=1.0)
while step < total:
    for x, y in train_loader:
        if step < warm:
            lr = 0.01 * (step + 1) / warm
        else:
            lr = 0.5 * 0.01 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
        for group in optimizer.param_groups:
            group["lr"] = lr
        criterion(model(x), y).backward()
        optimizer.step()
        step += 1
        if step >= total:
            break
""",
    "a lambda made by a function": """
def warmup_then_decay(warmup, gamma):
    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        return gamma ** (step - warmup)
    return factor
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=warmup_then_decay(4, 0.8))
for epoch in range(4):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
""",
    "restarts with fractional epochs": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
iters = len(train_loader)
for epoch in range(5):
    for i, sample in enumerate(train_loader):
        x, y = sample
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step(epoch + i / iters)
""",
    "a trainer class": """
class Config:
    lr = 0.2
    epochs = 6
    milestones = (2, 4)
class Trainer:
    def __init__(self, model, cfg):
        self.model = model
        self.cfg = cfg
        self.optimizer = optim.SGD(self.model.parameters(), lr=cfg.lr)
        self.scheduler = lr_scheduler.MultiStepLR(self.optimizer, milestones=cfg.milestones, gamma=0.3)
    def train_epoch(self):
        for x, y in train_loader:
            self.optimizer.zero_grad()
            criterion(self.model(x), y).backward()
            self.optimizer.step()
    def fit(self):
        for self.epoch in range(self.cfg.epochs):
            self.model.train()
            self.train_epoch()
            self.scheduler.step()
Trainer(model, Config()).fit()
""",
    "two optimizers": """
opt_g = optim.Adam(model[0].parameters(), lr=2e-4, betas=(0.5, 0.999))
opt_d = optim.Adam(model[1].parameters(), lr=1e-4)
sched_g = lr_scheduler.ExponentialLR(opt_g, 0.5)
for epoch in range(3):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        opt_d.step()
        opt_g.step()
    sched_g.step()
""",
    "phases": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
for epoch in range(5):
    for phase in ["train", "val"]:
        loader = train_loader if phase == "train" else val_loader
        for x, y in loader:
            with torch.set_grad_enabled(phase == "train"):
                loss = criterion(model(x), y)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
        if phase == "train":
            scheduler.step()
""",
    "freeze, then another optimizer": """
optimizer = optim.SGD(model[1].parameters(), lr=0.1)
for epoch in range(2):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
optimizer = optim.SGD(model.parameters(), lr=0.01)
scheduler = lr_scheduler.StepLR(optimizer, 1)
for epoch in range(2):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "amp": """
use_amp = torch.cuda.is_available()
optimizer = optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cuda", enabled=use_amp)
scheduler = lr_scheduler.PolynomialLR(optimizer, total_iters=6, power=2)
for epoch in range(2):
    for x, y in train_loader:
        loss = criterion(model(x), y)
        if use_amp:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        scheduler.step()
""",
    "multiplied in place": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(6):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    if epoch in (2, 4):
        for i in range(len(optimizer.param_groups)):
            optimizer.param_groups[i]["lr"] *= 0.1
""",
    "cyclic": """
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = lr_scheduler.CyclicLR(optimizer, base_lr=0.01, max_lr=0.1, step_size_up=4, mode="triangular2")
for epoch in range(5):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
""",
    "keyword arguments from a dictionary": """
config = {"optimizer": {"lr": 0.05, "momentum": 0.9}, "schedule": {"step_size": 2, "gamma": 0.5}, "epochs": 5}
optimizer = optim.SGD(model.parameters(), **config["optimizer"])
scheduler = getattr(lr_scheduler, "StepLR")(optimizer, **config["schedule"])
for epoch in range(config["epochs"]):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()
""",
    "schedulers in a list": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
schedulers = [lr_scheduler.ExponentialLR(optimizer, 0.9), lr_scheduler.MultiStepLR(optimizer, [2, 3], 0.5)]
for epoch in range(5):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
    for scheduler in schedulers:
        scheduler.step()
""",
    "arguments and a main function": """
import argparse
best = 0
def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", default=6, type=int)
    parser.add_argument("--start-epoch", default=0, type=int)
    parser.add_argument("--lr", "--learning-rate", default="0.1", type=float, dest="lr")
    parser.add_argument("--resume", default="", type=str)
    parser.add_argument("--distributed", action="store_true")
    return parser.parse_args([])
def train(loader, model, optimizer, epoch, args):
    model.train()
    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
def main_worker(gpu, args):
    global best
    optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    if args.resume:
        checkpoint = torch.load(args.resume)
        args.start_epoch = checkpoint["epoch"]
    for epoch in range(args.start_epoch, args.epochs):
        train(train_loader, model, optimizer, epoch, args)
        scheduler.step()
        best = max(best, epoch)
def main():
    args = parse_args()
    if args.distributed:
        torch.multiprocessing.spawn(main_worker, nprocs=2, args=(args,))
    else:
        main_worker(None, args)
if __name__ == "__main__":
    main()
""",
    "a method as the factor": """
class Experiment:
    def __init__(self, cfg):
        self.cfg = cfg
        self.optimizer, self.scheduler = self._build()
        self.step = 0
    def _build(self):
        made = getattr(torch.optim, self.cfg["name"])(model.parameters(), lr=self.cfg["lr"])
        return made, torch.optim.lr_scheduler.LambdaLR(made, lr_lambda=self._warm)
    def _warm(self, step):
        return min(1.0, (step + 1) / self.cfg["warmup"])
    def run(self):
        while self.step < self.cfg["max_steps"]:
            for batch in train_loader:
                self.train_step(*batch)
                self.step += 1
                if self.step >= self.cfg["max_steps"]:
                    return
    def train_step(self, x, y):
        criterion(model(x), y).backward()
        self.optimizer.step()
        self.scheduler.step()
Experiment(dict(name="AdamW", lr=1e-3, warmup=4, max_steps=10)).run()
""",
    "functools.partial": """
from functools import partial
def factor(step, warm, total):
    if step < warm:
        return float(step) / float(max(1, warm))
    return max(0.0, float(total - step) / float(max(1, total - warm)))
def linear_with_warmup(optimizer, warm, total, last_epoch=-1):
    return optim.lr_scheduler.LambdaLR(optimizer, partial(factor, warm=warm, total=total), last_epoch)
optimizer = optim.AdamW(model.parameters(), lr=2e-5)
total = len(train_loader) * 4
scheduler = linear_with_warmup(optimizer, warm=int(0.25 * total), total=total)
for epoch in range(4):
    for x, y in train_loader:
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
""",
    "a rate asked for before each update": """
learning_rate, min_lr, warmup, decay = 6e-4, 6e-5, 3, 9
def get_lr(it):
    if it < warmup:
        return learning_rate * (it + 1) / (warmup + 1)
    if it > decay:
        return min_lr
    ratio = (it - warmup) / (decay - warmup)
    assert 0 <= ratio <= 1
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (learning_rate - min_lr)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
iter_num, decay_lr = 0, True
while True:
    lr = get_lr(iter_num) if decay_lr else learning_rate
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr
    for micro_step in range(2):
        for x, y in val_loader:
            loss = criterion(model(x), y) / 2
            loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    iter_num += 1
    if iter_num > 12:
        break
""",
    "optimizers and schedulers in loops of their own": """
first = torch.optim.SGD(model[0].parameters(), lr=0.02)
second = torch.optim.AdamW(model[1].parameters(), lr=3e-4)
schedulers = [lr_scheduler.CosineAnnealingLR(o, T_max=10) for o in (first, second)]
for step in range(10):
    for optimizer in (first, second):
        optimizer.step()
    for scheduler in schedulers:
        scheduler.step()
""",
}
