"""What each of two processes does in `test_ranks.py`: a loop of its own on its share of the data. Arguments: rank, port,
folder; leaves `<rank>.json` behind.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import cadence as cd
from cadence._errors import RanksError

RANK, PORT, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{PORT}", rank=RANK, world_size=2)
torch.manual_seed(0)
inputs = torch.randn(256, 6)
targets = inputs[:, :1] - inputs[:, 1:2]
plain = torch.nn.Linear(6, 1)
model = DistributedDataParallel(plain)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
before = plain.weight.detach().clone()
shuffled = torch.Generator().manual_seed(RANK)

rates: list[float] = []
own: list[float] = []


def update() -> float:
    rows = torch.randint(0, 256, (16,), generator=shuffled)
    loss = (model(inputs[rows]) - targets[rows]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


finder = cd.find_lr(optimizer, model=model, updates=60)
for _ in finder:
    rates.append(optimizer.param_groups[0]["lr"])
    own.append(update())
    finder.observe(own[-1])
found = finder.result

told = ""
finder = cd.find_lr(optimizer, model=model, updates=60, start=1e-4 * (1 + RANK), end=1.0)
try:
    for _ in finder:
        finder.observe(update())
except RanksError as fault:
    told = str(fault)

result = {
    "rates": rates,
    "own": own,
    "losses": [x for row in [found.swept.scout_losses, *found.swept.losses] for x in row],
    "recommended": found.rate,
    "back": torch.equal(plain.weight.detach(), before),
    "told": told,
}
(FOLDER / f"{RANK}.json").write_text(json.dumps(result), encoding="utf-8")
dist.barrier()
dist.destroy_process_group()
