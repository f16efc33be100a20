"""For each rule that no script of the articles shows: what it finds, and the like that is sound."""

from __future__ import annotations

from textwrap import dedent

LIGHTNING = """
    import lightning as L
    import torch
    class Model(L.LightningModule):
        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)
            {}
"""
KERAS = """
    import keras
    model.compile(optimizer=keras.optimizers.SGD({}), loss="mse")
    model.fit(x, y, callbacks=[keras.callbacks.ReduceLROnPlateau()])
"""
IGNITE = """
    from ignite.engine import Events
    from ignite.handlers import LinearCyclicalScheduler
    scheduler = LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.01, 1000)
    trainer.add_event_handler(Events.{}, scheduler)
"""
FREE = """
    import schedulefree
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=1.0)
    for epoch in range(3):
        {}
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        evaluate(model)
"""
LOOP = """
    import torch
    optimizer = torch.optim.SGD({}, lr=0.1)
    scheduler = torch.optim.lr_scheduler.{}
    for epoch in range({}):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
"""
PARAMETERS = "model.parameters()"
ACCELERATE = """
    import torch
    from accelerate import Accelerator
    accelerator = Accelerator()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={})
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    for epoch in range(90):
        for x, y in loader:
            optimizer.zero_grad()
            accelerator.backward(loss_fn(model(x), y))
            optimizer.step()
        scheduler.step()
        accelerator.print(epoch, validate(model), scheduler.get_last_lr())
"""
OPTAX = """
    import jax
    import jax.numpy as jnp
    import optax
    def schedule(count):
        {}
    optimizer = optax.adamw(schedule, weight_decay=0.1)
    opt_state = optimizer.init(params)
    @jax.jit
    def update(params, opt_state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss
    for step in range(10_000):
        params, opt_state, loss = update(params, opt_state, next(batches))
        print(step, loss, evaluate(params), schedule(step))
"""
RESUMED = """
    import torch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    saved = torch.load("run.pt", weights_only=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={})
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    for epoch in range(saved["epoch"] + 1, {}):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
"""
DECAYED = """
    import torch
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.{}
    for epoch in range(100):
        train(model, optimizer)
        scheduler.step()
        print(epoch, validate(model), scheduler.get_last_lr())
"""

SCRIPTS = {
    "CD004": (
        LOOP.format(PARAMETERS, "StepLR(optimizer, steps=30)", 90),
        LOOP.format(PARAMETERS, "StepLR(optimizer, 30)", 90),
    ),
    "CD103": (
        LOOP.format(PARAMETERS, "MultiStepLR(optimizer, [100, 150])", 90),
        LOOP.format(PARAMETERS, "MultiStepLR(optimizer, [30, 60, 90])", 90),
    ),
    "CD104": (
        LOOP.format(PARAMETERS, "LinearLR(optimizer, start_factor=0.01, total_iters=500)", 20),
        LOOP.format(PARAMETERS, "LinearLR(optimizer, start_factor=0.01, total_iters=2)", 20),
    ),
    "CD210": (
        LOOP.format(PARAMETERS, "LambdaLR(optimizer, [lambda e: 0.95**e, lambda e: 0.9**e])", 20),
        LOOP.format('[{"params": a}, {"params": b}]', "LambdaLR(optimizer, [lambda e: 0.95**e, lambda e: 0.9**e])", 20),
    ),
    "CD601": (
        LIGHTNING.format(
            'return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)}'
        ),
        LIGHTNING.format(
            'return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer), '
            '"monitor": "val_loss"}'
        ),
    ),
    "CD602": (
        LIGHTNING.format(
            "return [optimizer], [torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, "
            "total_steps=self.trainer.estimated_stepping_batches)]"
        ),
        LIGHTNING.format(
            'return [optimizer], [{"scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, '
            'total_steps=self.trainer.estimated_stepping_batches), "interval": "step"}]'
        ),
    ),
    "CD603": (KERAS.format("keras.optimizers.schedules.CosineDecay(0.1, 1000)"), KERAS.format("0.1")),
    "CD604": (FREE.format("model.train()"), FREE.format("optimizer.train()")),
    "CD605": (IGNITE.format("ITERATION_COMPLETED"), IGNITE.format("ITERATION_STARTED")),
    "CD606": (
        'from transformers import TrainingArguments\nargs = TrainingArguments("out", warmup_ratio=0.1)\n',
        'from transformers import TrainingArguments\nargs = TrainingArguments("out", warmup_steps=0.1)\n',
    ),
    "CD607": (ACCELERATE.format("90"), ACCELERATE.format("90 * accelerator.num_processes")),
    "CD608": (
        OPTAX.format("return 1e-3 * count / 500 if count < 500 else 1e-3"),
        OPTAX.format("return jnp.where(count < 500, 1e-3 * count / 500, 1e-3)"),
    ),
    "CD703": (RESUMED.format("saved['epoch'] + 50", "saved['epoch'] + 50"), RESUMED.format("90", "90")),
    "CD808": (
        DECAYED.format("ExponentialLR(optimizer, gamma=0.955)"),
        DECAYED.format("ExponentialLR(optimizer, gamma=0.97)"),
    ),
    "CD802": (
        LOOP.format(PARAMETERS, "StepLR(optimizer, step_size=5, gamma=0.1)", 100),
        LOOP.format(PARAMETERS, "StepLR(optimizer, step_size=35, gamma=0.1)", 100),
    ),
    "CD803": (
        LOOP.format(PARAMETERS, "LinearLR(optimizer, start_factor=0.01, total_iters=40)", 100),
        LOOP.format(PARAMETERS, "LinearLR(optimizer, start_factor=0.01, total_iters=5)", 100),
    ),
}
"""Code -> (found, sound) as scripts."""

CONFIGS = {
    "CD901": (
        "epoch: 24\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !CosineDecayLR {max_epochs: 24}\n",
        "epoch: 24\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !CosineDecay {max_epochs: 24}\n",
    ),
    "CD902": (
        "epoch: 36\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - name: CosineDecay\n    max_epochs: 24\n",
        "epoch: 80\nLearningRate:\n  base_lr: 0.001\n  schedulers:\n  - name: CosineDecay\n    max_epochs: 96\n"
        "  - name: LinearWarmup\n    start_factor: 0.\n    epochs: 5\n",
    ),
    "CD903": (
        "epoch: 12\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !PiecewiseDecay\n    gamma: 0.1\n"
        "    milestones: [16, 22]\n  - !LinearWarmup\n    start_factor: 0.1\n    steps: 1000\n",
        "epoch: 12\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !PiecewiseDecay\n    gamma: 0.1\n"
        "    milestones: [8, 11]\n  - !LinearWarmup\n    start_factor: 0.1\n    steps: 1000\n",
    ),
    "CD904": (
        "Global:\n  epoch_num: 100\nOptimizer:\n  name: Adam\n  lr:\n    name: Cosine\n    learning_rate: 0.001\n"
        "    warmup_epoch: 500\n",
        "Global:\n  epoch_num: 500\nOptimizer:\n  name: Adam\n  lr:\n    name: Cosine\n    learning_rate: 0.001\n"
        "    warmup_epoch: 5\n",
    ),
    "CD905": (
        "epoch: 12\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !PiecewiseDecay {gamma: 0.1, milestones: [0, 8]}\n"
        "  - !LinearWarmup {start_factor: 0.1, steps: 500}\n",
        "epoch: 12\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !PiecewiseDecay {gamma: 0.1, milestones: [8]}\n"
        "  - !LinearWarmup {start_factor: 0.1, steps: 500}\n",
    ),
    "CD951": (
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 30 epochs\n"
        "schedule: constant() * plateau('val_loss', patience=10)\nstop: early_stop('val_loss', patience=5)\n",
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 30 epochs\n"
        "schedule: constant() * plateau('val_loss', patience=3)\nstop: early_stop('val_loss', patience=9)\n",
    ),
    "CD952": (
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 10 epochs\nevaluate: 2 epochs\n"
        "schedule: constant() * plateau('val_loss', patience=10)\n",
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 10 epochs\n"
        "schedule: constant() * plateau('val_loss', patience=3)\n",
    ),
    "CD953": (
        "task: digits\ntotal: 10 epochs\nbatch_size: 512\naccumulate: 4\nschedule: steps(at=['6 epochs'])\n"
        "optimizer: {name: sgd, lr: 0.1, scale_lr: {rule: linear, reference_batch: 256}}\n",
        "task: digits\ntotal: 10 epochs\nbatch_size: 512\naccumulate: 4\nschedule: steps(at=['6 epochs'])\n"
        "optimizer: {name: sgd, lr: 0.1, scale_lr: {rule: linear, reference_batch: 256, warmup: 1 epoch}}\n",
    ),
    "CD955": (
        "task: digits\noptimizer: {name: schedule_free_adamw, lr: 0.0025}\ntotal: 10 epochs\nschedule: cosine()\n",
        "task: digits\noptimizer: {name: schedule_free_adamw, lr: 0.0025}\ntotal: 10 epochs\n"
        "schedule: warmup('5%') >> constant()\nstop: early_stop('val_loss', patience=5)\n",
    ),
    "CD956": (
        "task: digits\noptimizer: {name: prodigy, lr: 0.001}\ntotal: 10 epochs\nschedule: cosine()\n",
        "task: digits\noptimizer: {name: prodigy, lr: 1.0}\ntotal: 10 epochs\nschedule: cosine()\n",
    ),
    "CD957": (
        "task: digits\noptimizer: {name: adafactor, lr: 0.1}\ntotal: 10000\n",
        "task: digits\noptimizer: {name: adafactor, lr: 0.005}\ntotal: 10000\n",
    ),
    "CD958": (
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 30 epochs\nschedule: cosine()\n"
        "stop: early_stop('val_loss', patience=5)\n",
        "task: digits\noptimizer: {name: adamw, lr: 0.001}\ntotal: 30 epochs\nschedule: cosine()\n"
        "stop: early_stop('val_loss', patience=5, then='cooldown 10%')\n",
    ),
}
"""Code -> (found, sound) as YAML."""


def script(text: str) -> str:
    """An example as a file's content."""
    return dedent(text).lstrip("\n")
