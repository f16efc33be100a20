"""Stop and go on: the driver's state alone is enough, whatever the new optimizer was made with."""

import io

import torch

import cadence as cd


def optimizer_with(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(torch.nn.Linear(4, 1).parameters(), lr=lr, momentum=0.9)


schedule = cd.warmup("10%") >> cd.cosine(to=0.01)
planned = cd.place(schedule, total=100, base=0.1).values().tolist()

# Forty updates, then the process ends with a checkpoint.
optimizer = optimizer_with(0.1)
driver = cd.drive(optimizer, schedule, total=100)
for _ in range(40):
    optimizer.step()
    driver.step()
checkpoint = io.BytesIO()
torch.save({"driver": driver.state_dict()}, checkpoint)

# Another process, another optimizer, made with the wrong rate: the loaded state wins.
checkpoint.seek(0)
optimizer = optimizer_with(7.0)
driver = cd.drive(optimizer, schedule, total=100)
driver.load_state_dict(torch.load(checkpoint, weights_only=True)["driver"])
rates = []
for _ in range(40, 100):
    rates.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    driver.step()
print("same as planned, to the bit:", rates == planned[40:])

# The run shall take twice as long: what is left of the curve is stretched, and nothing jumps.
optimizer = optimizer_with(0.1)
driver = cd.drive(optimizer, schedule, total=200)
checkpoint.seek(0)
driver.load_state_dict(torch.load(checkpoint, weights_only=True)["driver"], change="stretch")
print(driver.journal[-1]["sentence"])
print(f"rate at the change: {driver.values['lr'][0]:.6g}, planned: {planned[40]:.6g}")
