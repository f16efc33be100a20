"""A schedule in a loop of one's own: warmup, then a plateau rule, with a record that anyone can read afterwards."""

import tempfile
from pathlib import Path

import torch

import cadence as cd

torch.manual_seed(0)
x = torch.randn(512, 8)
y = torch.sin(x.sum(dim=1, keepdim=True))
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
batches = list(zip(x[:384].split(32), y[:384].split(32), strict=True))

with tempfile.TemporaryDirectory() as folder:
    driver = cd.drive(
        optimizer,
        cd.warmup("1 epoch") >> cd.constant() * cd.plateau("val_loss", factor=0.3, patience=2),
        total="20 epochs",
        steps_per_epoch=len(batches),
        record=Path(folder) / "run",
    )
    for _ in range(20):
        for inputs, targets in batches:
            loss = torch.nn.functional.mse_loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            driver.log(loss=loss.item())
            driver.step()
        with torch.no_grad():
            val_loss = torch.nn.functional.mse_loss(model(x[384:]), y[384:])
        for decision in driver.observe({"val_loss": val_loss}):
            if decision.kind == "cut":
                print(decision.sentence)
    driver.close()

    record = cd.load_record(Path(folder) / "run")
    print(f"{record.status}: {len(record.updates['t'])} updates, last rate {record.updates['lr'][-1, 0]:.3g}")
