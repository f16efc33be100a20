"""What is loaded when: `import cadence` brings nothing with it, and each command only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FRAMEWORKS = frozenset(
    {"torch", "paddle", "jax", "keras", "tensorflow", "accelerate", "sklearn", "matplotlib", "plotly"}
)
COMMAND_LINE = frozenset({"typer", "rich", "pydantic", "yaml"})


def loaded_by(code: str) -> set[str]:
    """Top-level names in `sys.modules` after `code` has run in a fresh interpreter, without those there before it."""
    # The names go to a line of their own behind a mark, because the code may print too.
    script = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        f"exec({code!r})\n"
        "after = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print('LOADED ' + json.dumps(sorted(after)))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    return set(json.loads(line.removeprefix("LOADED ")))


def run_command(*arguments: str) -> str:
    """Code that calls the command line as the installed script does, and survives its exit."""
    return (
        f"sys.argv = {['cadence', *arguments]!r}\n"
        "from cadence.cli.app import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
    )


def test_the_probe_sees_what_is_loaded() -> None:
    assert "numpy" in loaded_by("import numpy")


def test_importing_cadence_loads_neither_numpy_nor_any_other_dependency() -> None:
    assert loaded_by("import cadence") & (FRAMEWORKS | COMMAND_LINE | {"numpy", "scipy"}) == set()


def test_placing_a_schedule_loads_numpy_at_most() -> None:
    schedule = "warmup('5%') >> cosine(to=0.01)"
    code = f"import cadence as cd; cd.place(cd.parse({schedule!r}), total=1000, base=0.1).values()"
    assert loaded_by(code) & (FRAMEWORKS | COMMAND_LINE | {"scipy"}) == set()


def test_the_help_page_loads_no_numpy_and_no_framework() -> None:
    assert loaded_by(run_command("--help")) & (FRAMEWORKS | {"numpy", "scipy"}) == set()


def test_listing_the_schedules_loads_no_framework() -> None:
    assert loaded_by(run_command("schedules")) & FRAMEWORKS == set()


def test_a_command_loads_no_other_command_and_a_script_is_linted_by_definitions_alone(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)\n"
        "for epoch in range(90):\n    for x, y in loader:\n        optimizer.zero_grad()\n"
        "        criterion(model(x), y).backward()\n        optimizer.step()\n    scheduler.step()\n"
        "    print(epoch, evaluate(model), scheduler.get_last_lr())\n"
    )
    code = run_command("lint", str(script)) + (
        "loaded = {name for name in sys.modules if name.startswith('cadence.')}\n"
        "assert 'cadence.conversion.frameworks.torch.steps' in loaded\n"
        "assert not [name for name in loaded if '.objects' in name], loaded\n"
        "assert not loaded & {'cadence.cli.plot', 'cadence.cli.train', 'cadence.recipe.load', 'cadence.recipe.recipe'}, loaded\n"
    )
    assert loaded_by(code) & FRAMEWORKS == set()
