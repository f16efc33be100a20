"""Ask the package indexes for everything that docker/Dockerfile installs.

    python tools/container.py pins     # print every version that the file asks for
    python tools/container.py resolve  # build the wheel from the copied files, and resolve both images

`resolve` downloads no package but the build's own: pip looks for a set of versions that fit together, with the very
arguments of the file, and Debian's list of packages is asked for the others. It needs a network, pip, and for the last
part a Debian of the same release. The test suite checks what needs neither.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
TARGETS = ("cpu", "cuda")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its lines joined.

    Attributes:
        stage: name of the stage it stands in; empty before the first.
        name: ``"RUN"``.
        text: what follows it.
    """

    stage: str
    name: str
    text: str


def instructions(text: str) -> list[Instruction]:
    """All instructions of a Dockerfile, comments left out.

    Args:
        text: of the file.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    stage = ""
    found: list[Instruction] = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            stage = rest.split()[-1]
        found.append(Instruction(stage, name, rest.strip()))
    return found


def arguments(found: Sequence[Instruction]) -> dict[str, str]:
    """Defaults of the build arguments."""
    parts = (i.text.partition("=") for i in found if i.name == "ARG")
    return {name: default for name, _, default in parts}


def python_pins(found: Sequence[Instruction]) -> dict[str, str]:
    """Name -> version of every package that is asked of Python's index by an exact version."""
    defaults = arguments(found)
    pins: dict[str, str] = {}
    for i in found:
        for name, version in re.findall(r'"([\w-]+)==([^"]+)"', i.text if i.name == "RUN" else ""):
            pins[name] = re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], version)
    return pins


def debian_pins(found: Sequence[Instruction]) -> dict[str, str]:
    """Name -> pattern of the version of every package of Debian."""
    texts = (i.text for i in found if i.name == "RUN" and "apt-get install" in i.text)
    return {name: version for text in texts for name, version in re.findall(r'"([\w.+-]+)=([^="][^"]*)"', text)}


def copied(found: Sequence[Instruction]) -> list[str]:
    """Paths of the project that are copied into an image."""
    texts = (i.text for i in found if i.name == "COPY" and not i.text.startswith("--from"))
    return [source for text in texts for source in text.split()[:-1]]


def sent(path: str, ignore: str) -> bool:
    """Whether a file is sent to the engine.

    Args:
        path: relative to the project.
        ignore: text of .dockerignore.

    Source: Docker, "Build context": the last pattern that matches a path, or a folder above it, decides.
    """
    names = path.split("/")
    above = ["/".join(names[:n]) for n in range(1, len(names) + 1)]
    kept = True
    for line in (line.strip() for line in ignore.splitlines()):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").strip("/")
            if any(_matches(folder, pattern) for folder in above):
                kept = line.startswith("!")
    return kept


def _matches(path: str, pattern: str) -> bool:
    own, wanted = path.split("/"), pattern.split("/")
    if wanted[0] == "**":
        return any(_matches("/".join(own[n:]), "/".join(wanted[1:])) for n in range(len(own)))
    return len(own) == len(wanted) and all(map(fnmatch.fnmatchcase, own, wanted))


def resolve(found: Sequence[Instruction], *, python: str) -> Iterator[tuple[str, str, bool]]:
    """Look for every version.

    Args:
        found: of the Dockerfile.
        python: interpreter whose pip is asked.

    Yields:
        What was asked for, what came of it, whether it is there.

    Raises:
        LookupError: the wheel cannot be built, or a list of packages cannot be read.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        wheel = _wheel(found, folder, python)
        known = {"$1": str(wheel), "/opt/cadence/constraints.txt": str(ROOT / "constraints.txt")}
        for stage in ("base", *TARGETS):
            for wanted in pip_installs(found, stage):
                given = [re.sub("|".join(map(re.escape, known)), lambda m: known[m[0]], word) for word in wanted]
                yield f"{stage}: pip install {' '.join(wanted)}", *_resolved(given, folder, python)
    for name, wanted in debian_pins(found).items():
        yield f"apt-get install {name}={wanted}", *_debian(name, wanted)


def _wheel(found: Sequence[Instruction], work: Path, python: str) -> Path:
    context = work / "context"
    for path in copied([i for i in found if i.stage == "wheel"]):
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, context / path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            context.mkdir(exist_ok=True)
            shutil.copy(ROOT / path, context / path)
    _run([python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(work), str(context)])
    return next(work.glob("*.whl"))


def pip_installs(found: Sequence[Instruction], stage: str) -> Iterator[list[str]]:
    """The arguments of every `pip install` of a stage."""
    defaults = arguments(found)
    for i in found:
        if i.name == "RUN" and i.stage == stage:
            text = re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], i.text)
            for call in re.findall(r"pip install ([^&;]+)", text):
                yield [word.strip('"') for word in call.split() if word != "--no-cache-dir"]


def _resolved(given: Sequence[str], work: Path, python: str) -> tuple[str, bool]:
    report = work / "report.json"
    command = [python, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", str(report), *given]
    try:
        _run(command)
    except LookupError as fault:
        return str(fault), False
    chosen = [entry["metadata"] for entry in json.loads(report.read_text(encoding="utf-8"))["install"]]
    names = sorted(f"{about['name']} {about['version']}" for about in chosen)
    return f"{len(names)} packages: {', '.join(names)}", True


def _debian(name: str, wanted: str) -> tuple[str, bool]:
    if shutil.which("apt-cache") is None:
        return "not asked, because this is no Debian", False
    listed = _run(["apt-cache", "madison", name])
    versions = [line.split("|")[1].strip() for line in listed.splitlines() if line.count("|") >= 2]
    fitting = [version for version in versions if fnmatch.fnmatchcase(version, wanted)]
    return (fitting[0], True) if fitting else (f"there is {', '.join(versions) or 'no such package'}", False)


def _run(command: Sequence[str]) -> str:
    """Run a program; pip without this machine's settings, as in a fresh image.

    Raises:
        LookupError: it failed; with its last words.
    """
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_CONSTRAINT": "", "PIP_RETRIES": "1"}
    environment = os.environ | settings | {"PIP_DEFAULT_TIMEOUT": "20", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise LookupError(" ".join(said[-2:]))
    return done.stdout


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("pins", "resolve"))
    asked = parser.parse_args(given)
    found = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    if asked.command == "pins":
        print("\n".join(f"{k} {v}" for k, v in (python_pins(found) | debian_pins(found)).items()))
        return 0
    status = 0
    try:
        for wanted, answer, there in resolve(found, python=sys.executable):
            print(f"{'ok' if there else 'NOT FOUND'}  {wanted}\n    {answer}", flush=True)
            status = status if there else 1
    except LookupError as fault:
        print(f"could not ask: {fault}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
