"""What the reader sees in a script."""

from __future__ import annotations

import pytest

from cadence._errors import ScriptError
from cadence.script.model import Script, Unknown
from cadence.script.read import read_script


def read(text: str, steps_per_epoch: int | None = None) -> Script:
    return read_script(text, steps_per_epoch=steps_per_epoch)


@pytest.mark.parametrize(
    "imports",
    [
        "import torch\nS = torch.optim.lr_scheduler.StepLR\nO = torch.optim.SGD",
        "import torch.optim as o\nS = o.lr_scheduler.StepLR\nO = o.SGD",
        "import torch.optim.lr_scheduler as s\nfrom torch.optim import SGD as O\nS = s.StepLR",
        "from torch import optim\nS, O = optim.lr_scheduler.StepLR, optim.SGD\nS = optim.lr_scheduler.StepLR\nO = optim.SGD",
        "from torch.optim import SGD as O, lr_scheduler\nS = lr_scheduler.StepLR",
        "from torch.optim.lr_scheduler import StepLR as S\nfrom torch.optim.sgd import SGD as O",
    ],
)
def test_a_class_is_known_by_any_of_its_names(imports: str) -> None:
    script = read(f"{imports}\nopt = O(m.parameters(), lr=0.1)\nsched = S(opt, 30)\n")
    assert [o.path for o in script.optimizers] == ["torch.optim.SGD"]
    assert [s.path for s in script.schedulers] == ["torch.optim.lr_scheduler.StepLR"]
    assert script.schedulers[0].optimizer == script.optimizers[0]
    assert repr(script.schedulers[0].native) == "StepLR(step_size=30)"


def test_names_from_a_star_import_and_from_no_import_are_known() -> None:
    star = read(
        "from torch.optim.lr_scheduler import *\nfrom torch.optim import *\no = Adam(p)\ns = ExponentialLR(o, 0.9)"
    )
    bare = read("optimizer = optim.SGD(model.parameters(), lr=0.1)\nscheduler = StepLR(optimizer, step_size=30)")
    assert star.schedulers[0].path == "torch.optim.lr_scheduler.ExponentialLR"
    assert star.optimizers[0].path == "torch.optim.Adam"
    assert bare.schedulers[0].optimizer == bare.optimizers[0]


CONSTANTS = {
    "lr = 0.1": 0.1,
    "base = 0.05\nlr = base * 256 / 128": 0.1,
    "a, lr = 1, 0.1": 0.1,
    "cfg = {'lr': 0.1}\nlr = cfg['lr']": 0.1,
    "cfg = dict_of()\ncfg2 = {**{'lr': 0.1}}\nlr = cfg2.get('lr', 3)": 0.1,
    "class C:\n    lr = 0.1\nlr = C.lr": 0.1,
    "class C:\n    lr = 0.1\nc = C()\nlr = c.lr": 0.1,
    "from dataclasses import dataclass\n@dataclass\nclass C:\n    rate: float = 0.3\nlr = C(rate=0.1).rate": 0.1,
    "from types import SimpleNamespace\nargs = SimpleNamespace(lr=0.1)\nlr = args.lr": 0.1,
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('-l', '--learning-rate', type=float, default=0.1)\n"
    "lr = p.parse_args().learning_rate": 0.1,
    "import argparse\ndef get():\n    p = argparse.ArgumentParser()\n    p.add_argument('--lr', default='1e-1', type=float)\n"
    "    return p.parse_args()\nargs = get()\nlr = args.lr": 0.1,
    "def rate(batch, base=0.1):\n    if batch > 256:\n        return base * batch / 256\n    return base\nlr = rate(128)": 0.1,
    "import math\nlr = round(0.1 * math.cos(0), 3)": 0.1,
    "lr = 0.2\nlr = lr / 2": 0.1,
    "lr = 0.2\nlr /= 2": 0.1,
    "lr = sum([0.05 for _ in range(2)])": 0.1,
    "lr = 0.1 if True else 5": 0.1,
    "lr = [1, 0.1, 3][1]": 0.1,
    "lr = min(0.1, 1)": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("text", CONSTANTS)
def test_a_rate_is_computed_from_what_is_written(text: str) -> None:
    script = read(f"import torch\n{text}\no = torch.optim.SGD(p, lr=lr)")
    assert script.optimizers[0].lr == CONSTANTS[text]


@pytest.mark.parametrize(
    "text",
    [
        "lr = float(input())",
        "lr = 0.1\nfor i in range(3):\n    lr = lr * 0.5",
        "if flag:\n    lr = 0.1\nelse:\n    lr = 0.2",
        "lr = 0.1\nif flag:\n    lr = 0.2",
        "lr = json.load(open('config.json'))['lr']",
        "def f(lr=0.1):\n    return g(lr)\nlr = f()",
        "lr = 1 / 0",
        "lr = 10 ** 10 ** 10",
        "lr = lr",
        "a = b\nb = a\nlr = a",
        "import os\nlr = float(os.environ['LR'])",
    ],
)
def test_a_rate_that_only_a_run_would_show_is_unknown_and_no_guess(text: str) -> None:
    rate = read(f"import torch\n{text}\no = torch.optim.SGD(p, lr=lr)").optimizers[0].lr
    assert isinstance(rate, Unknown)
    assert rate.text == "lr"


def test_a_default_of_the_command_line_is_named_as_taken_for_granted() -> None:
    script = read(
        "import argparse, torch\np = argparse.ArgumentParser()\np.add_argument('--lr', default=0.1)\na = p.parse_args()\n"
        "o = torch.optim.SGD(m, lr=a.lr)"
    )
    assert script.assumed == ("--lr is its default, 0.1",)


def test_groups_are_read_where_they_are_written_out() -> None:
    script = read(
        "import torch\nlr = 1e-3\ngroups = [{'params': m.body.parameters(), 'lr': lr / 10}, {'params': m.head.parameters(), "
        "'weight_decay': 0}]\no = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))\n"
        "q = torch.optim.SGD(m.parameters())\nr = torch.optim.SGD(get_groups(m), 0.1)"
    )
    first, second, third = script.optimizers
    assert first.groups == (
        {"params": "m.body.parameters()", "lr": 1e-4},
        {"params": "m.head.parameters()", "weight_decay": 0},
    )
    assert (first.grouped, second.grouped, third.grouped) == (True, False, None)
    assert first.numbers == {"betas": (0.9, 0.95)}
    assert (second.lr, third.lr) == (None, 0.1)


LOOP = """
import torch
opt = torch.optim.SGD(m.parameters(), 0.1)
a = torch.optim.lr_scheduler.StepLR(opt, 3)
b = torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, epochs=5, steps_per_epoch=len(train_loader))
for epoch in tqdm(range(1, 6), desc="x"):
    for i, (x, y) in enumerate(tqdm(train_loader)):
        loss(x, y).backward()
        opt.step()
        b.step()
        if i % 10 == 0:
            continue
        opt.zero_grad()
    if epoch < 3:
        a.step()
    else:
        plateau.step(val)
"""


def test_loops_are_epochs_and_batches() -> None:
    script = read(LOOP)
    outer, inner = script.loops
    assert (outer.kind, outer.target, outer.count, outer.start, outer.depth) == ("epoch", "epoch", 5, 1, 0)
    assert (inner.kind, inner.over, inner.depth) == ("batch", "enumerate(tqdm(train_loader))", 1)
    assert isinstance(inner.count, Unknown)
    assert read(LOOP, 100).loops[1].count == 100


def test_where_a_scheduler_is_stepped_is_told() -> None:
    a, b = read(LOOP, 100).schedulers
    assert (a.per, b.per) == ("epoch", "step")
    assert a.steps[0].conditions == ("epoch < 3",)
    assert (a.steps[0].after_update, b.steps[0].after_update) == (True, True)
    assert [loop.kind for loop in b.steps[0].loops] == ["epoch", "batch"]
    assert repr(b.native) == "OneCycleLR(max_lr=0.1, epochs=5, steps_per_epoch=100)"
    assert read(LOOP).schedulers[1].unknown == ("steps_per_epoch",)


def test_a_scheduler_stepped_before_its_optimizer_is_told() -> None:
    script = read(
        "import torch\no = torch.optim.SGD(p, 0.1)\ns = torch.optim.lr_scheduler.StepLR(o, 3)\n"
        "for epoch in range(3):\n    s.step()\n    o.step()\n"
    )
    assert script.schedulers[0].steps[0].after_update is False


def test_a_step_in_a_function_is_in_the_loop_that_calls_it() -> None:
    script = read(
        "import torch\ndef build(lr):\n    o = torch.optim.SGD(p, lr)\n    return o, torch.optim.lr_scheduler.StepLR(o, 3)\n"
        "def train(loader, optimizer, scheduler):\n    for batch in loader:\n        optimizer.step()\n        scheduler.step()\n"
        "def main():\n    opt, sched = build(0.1)\n    for epoch in range(4):\n        train(data_loader, opt, sched)\nmain()\n"
    )
    (scheduler,) = script.schedulers
    assert scheduler.optimizer is not None
    assert scheduler.optimizer.lr == 0.1
    assert [loop.over for loop in scheduler.steps[0].loops] == ["range(4)", "loader"]
    assert (scheduler.per, scheduler.steps[0].function, scheduler.function) == ("step", "train", "build")


def test_nested_schedulers_know_each_other() -> None:
    script = read(
        "import torch\nfrom torch.optim.lr_scheduler import *\no = torch.optim.SGD(p, 0.1)\nwarm = LinearLR(o, 0.1, total_iters=5)\n"
        "s = SequentialLR(o, [warm, CosineAnnealingLR(o, 85)], milestones=[5])\n"
    )
    warm, whole, cosine = script.schedulers
    assert [each.name for each in (warm, whole, cosine)] == ["LinearLR", "SequentialLR", "CosineAnnealingLR"]
    assert whole.inner == (warm, cosine)
    assert (warm.outer, whole.outer, cosine.outer) == (5, None, 5)
    assert repr(whole.native) == (
        "SequentialLR(schedulers=[LinearLR(start_factor=0.1, total_iters=5), CosineAnnealingLR(T_max=85)], milestones=[5])"
    )


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        ("torch.optim.lr_scheduler.StepLr(opt, 3)", "unknown", "did you mean 'StepLR'"),
        ("torch.optim.lr_scheduler.StepLR(opt, 3, verbose=True)", "arguments", "has no argument 'verbose'"),
        ("torch.optim.lr_scheduler.StepLR(opt)", "arguments", "needs step_size"),
        ("torch.optim.lr_scheduler.StepLR(opt, **load())", "dynamic", "**load()"),
        ("GradualWarmupScheduler(opt, multiplier=1)", "unknown", "no scheduler that is known here"),
    ],
)
def test_what_cannot_be_bound_is_a_problem_with_its_reason(call: str, kind: str, words: str) -> None:
    script = read(f"import torch\nopt = torch.optim.SGD(p, 0.1)\nsched = {call}\n")
    (problem,) = script.problems
    assert (problem.kind, problem.line) == (kind, 3)
    assert words in problem.text
    assert script.schedulers[0].native is None
    assert script.schedulers[0].reason == problem.text


def test_lightning_says_when_a_scheduler_is_stepped() -> None:
    script = read(
        "import torch, lightning as L\nclass M(L.LightningModule):\n    def configure_optimizers(self):\n"
        "        opt = torch.optim.Adam(self.parameters(), lr=1e-3)\n        s = torch.optim.lr_scheduler.StepLR(opt, 3)\n"
        "        return {'optimizer': opt, 'lr_scheduler': {'scheduler': s, 'interval': 'step', 'monitor': 'val_loss'}}\n"
    )
    (scheduler,) = script.schedulers
    assert (scheduler.per, scheduler.options["monitor"], scheduler.function) == (
        "step",
        "val_loss",
        "M.configure_optimizers",
    )


def test_calls_have_their_dotted_names_their_loops_and_their_conditions() -> None:
    script = read(
        "import torch\nfrom torch.cuda.amp import GradScaler\nscaler = GradScaler()\nfor x in train_loader:\n"
        "    with torch.autocast('cuda'):\n        loss = f(x)\n    scaler.scale(loss).backward()\n    if clip:\n"
        "        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)\n"
    )
    calls = {call.method: call for call in script.calls}
    assert calls["GradScaler"].path == "torch.cuda.amp.GradScaler"
    assert calls["scale"].path == "torch.cuda.amp.GradScaler().scale"
    assert calls["clip_grad_norm_"].conditions == ("clip",)
    assert [loop.kind for loop in calls["clip_grad_norm_"].loops] == ["batch"]
    assert script.value(calls["clip_grad_norm_"].args[1]) == 1.0
    assert script.source(calls["backward"].node) == "scaler.scale(loss).backward()"


def test_optimizers_that_come_back_from_accelerate_are_the_same() -> None:
    script = read(
        "import torch\nfrom accelerate import Accelerator\nacc = Accelerator()\nopt = torch.optim.AdamW(m.parameters(), lr=1e-4)\n"
        "m, opt, loader = acc.prepare(m, opt, loader)\nfor b in loader:\n    opt.step()\n"
    )
    assert [step.line for step in script.optimizers[0].steps] == [7]


def test_a_scaler_steps_the_optimizer_it_is_given() -> None:
    script = read(
        "import torch\no = torch.optim.SGD(p, 0.1)\nfor x in loader:\n    scaler.step(o)\n    scaler.update()\n"
    )
    assert [(s.receiver, s.method) for s in script.optimizers[0].steps] == [("scaler", "step")]


def test_source_with_other_scripts_and_letters_is_cut_where_it_should_be() -> None:
    script = read("import torch\n# 学习率\nname = '学习率'; o = torch.optim.SGD(p, lr=速度)\n")
    assert script.optimizers[0].lr == Unknown("速度")


def test_constants_are_what_is_bound_once() -> None:
    script = read("a = 3\nb = a * 2\nc = 1\nc = 2\nname = 'x'\nd = f()\n")
    assert script.constants == {"a": 3, "b": 6, "name": "x"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("for epoch in range(3)\n    pass", "line 1 is no Python that can be read: expected ':'"),
        ("x = (1,\n", "was never closed"),
        ("a\0b", "null bytes"),
        ("x = " + "(" * 5000 + ")" * 5000, "nest"),
        ("x = " + "-" * 20000 + "1", "nests too deeply"),
        ("x = 1\n" * 400_000, "more than 2000000"),
    ],
)
def test_what_is_no_script_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ScriptError, match="<script>") as caught:
        read(text)
    assert words in str(caught.value)


def test_nothing_in_a_script_is_executed(tmp_path) -> None:
    mark = tmp_path / "mark"
    text = f"open({str(mark)!r}, 'w').write('x')\nlr = __import__('os').system('touch {mark}')\nimport torch\no = torch.optim.SGD(p, lr=lr)\n"
    assert isinstance(read(text).optimizers[0].lr, Unknown)
    assert not mark.exists()
