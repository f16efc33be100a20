"""One plan for several values and groups: a head on a schedule of its own, a weight decay that falls."""

import torch

import cadence as cd

model = torch.nn.ModuleDict({"backbone": torch.nn.Linear(16, 16), "head": torch.nn.Linear(16, 4)})
optimizer = torch.optim.AdamW(
    [
        {"params": model["backbone"].parameters(), "name": "backbone", "lr": 5e-4},
        {"params": model["head"].parameters(), "name": "head", "lr": 1e-3},
    ],
    weight_decay=0.05,
)
plan = cd.plan(
    {
        "lr": cd.warmup("5%") >> cd.cosine(to=0.01),
        "head/lr": cd.warmup("20%") >> cd.constant() >> cd.decay("20%"),
        "weight_decay": cd.linear(start=1, to=0.1),
    }
)
driver = cd.drive(optimizer, plan, total=200)
for _ in range(100):
    optimizer.step()
    driver.step()
for group in optimizer.param_groups:
    print(f"{group['name']}: lr {group['lr']:.3g}, weight decay {group['weight_decay']:.3g}")

# By hand, from the next update on; without a group the ratio between the groups is kept.
driver.set(lr=1e-4)
print({group["name"]: round(group["lr"], 8) for group in optimizer.param_groups})
print(driver.journal[-1]["sentence"])
