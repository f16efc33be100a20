"""What it costs to read a training script of 2,000 lines, and to tell the rate that it will really run."""

from __future__ import annotations

import ast
import sys
import time

from _bench import Benchmark, Limit, main, timed
from cadence.script.rates import rates
from cadence.script.read import read_script

MODEL = """
class Block{i}(nn.Module):
    def __init__(self, width, heads=4, dropout=0.1):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, mask=None):
        h = self.norm1(x)
        attended, _ = self.attention(h, h, h, attn_mask=mask, need_weights=False)
        x = x + attended
        if self.training and mask is not None:
            x = x * mask.unsqueeze(-1)
        return x + self.feed(self.norm2(x))


def evaluate_{i}(model, loader, device):
    model.eval()
    total, correct, losses = 0, 0, []
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            outputs = model(images)
            losses.append(F.cross_entropy(outputs, labels).item())
            correct += (outputs.argmax(dim=1) == labels).sum().item()
            total += labels.size(0)
    return sum(losses) / max(len(losses), 1), correct / max(total, 1)
"""

TRAINING = """
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=90)
args = parser.parse_args()
model = Block0(64).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
warm = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5)
cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs - 5)
scheduler = lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[5])
for epoch in range(args.epochs):
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images.cuda()), labels.cuda())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    scheduler.step()
    print(epoch, evaluate_0(model, val_loader, "cuda"))
"""

HEAD = """import argparse
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler
"""


def long_script(lines: int = 2000) -> str:
    """A script of about so many lines, most of them a model."""
    text, i = HEAD, 0
    while text.count("\n") < lines - TRAINING.count("\n"):
        text += MODEL.format(i=i)
        i += 1
    return text + TRAINING


TEXT = long_script()
SCRIPT = read_script(TEXT)

READING = Benchmark(
    f"a training script of {TEXT.count(chr(10))} lines",
    [
        timed("python's own syntax tree of it", lambda: ast.parse(TEXT), clock=time.process_time),
        timed("read_script", lambda: read_script(TEXT), clock=time.process_time),
        timed("the rate it will really run", lambda: rates(SCRIPT), clock=time.process_time),
    ],
    [Limit("read_script", "python's own syntax tree of it", seconds=0.3)],
)

if __name__ == "__main__":
    if "torch" in sys.modules:
        raise RuntimeError("reading a script has loaded torch")
    main([READING])
