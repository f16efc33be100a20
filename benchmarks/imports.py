"""What it costs to import cadence and to ask for help: processor time of fresh processes, user and system."""

from __future__ import annotations

import sys

from _bench import Benchmark, Limit, main, process

PYTHON = sys.executable

HELP = "import sys; sys.argv = ['cadence', '--help']; from cadence.cli.app import main; main()"

IMPORT = Benchmark(
    "import cadence",
    [
        process("import numpy", [PYTHON, "-c", "import numpy"]),
        process("import cadence", [PYTHON, "-c", "import cadence"]),
        process(
            "import cadence, place a schedule, all values",
            [PYTHON, "-c", "import cadence as cd; cd.place(cd.cosine(to=0.01), total=1000, base=0.1).values()"],
        ),
    ],
    [
        Limit("import cadence", "import numpy", seconds=0.1),
        Limit("import cadence, place a schedule, all values", "import numpy", seconds=0.1),
    ],
)

COMMAND_LINE = Benchmark(
    "cadence --help",
    [
        process("python", [PYTHON, "-c", "pass"]),
        process("cadence --help", [PYTHON, "-c", HELP]),
    ],
    [Limit("cadence --help", "python", seconds=0.2)],
)

if __name__ == "__main__":
    main([IMPORT, COMMAND_LINE])
