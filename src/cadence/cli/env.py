"""`cadence env`: versions, machine, devices, and what of it does not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence.cli.exits import FINDINGS
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.record.machine.facts import Gpu, Machine


class Level(str, Enum):  # noqa: UP042 - as in options.py
    """Severities of findings."""

    error = "error"
    warning = "warning"
    information = "information"


ZH = {
    "platform": "平台", "processor": "处理器", "cpu_count": "处理器数", "memory": "内存", "packages": "软件包",
    "git": "代码版本", "commit": "提交", "dirty": "有改动", "command": "命令", "started": "时间", "device": "设备",
    "driver": "驱动", "compute capability": "计算能力", "CUDA up to": "CUDA 最高", "builds": "编译版本",
    "limits": "限制", "container": "容器", "processors": "处理器", "of them": "可用", "compiler": "C 编译器",
    "tried": "试用", "code for": "含代码", "processes talk by": "进程通信", "yes": "是", "no": "否",
}  # fmt: skip
"""Names in Chinese; in English they are their own names, which are also the keys of the JSON where it has them."""


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("env")(env)


def env(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also load torch and paddle, each in a process of its own, and try them.")
    ] = False,
    at_least: Annotated[
        Level, typer.Option(help="Leave out findings that are milder: error, warning or information.")
    ] = Level.information,
    explain: Annotated[
        str | None, typer.Option(help="Say what a code means (all: every one), and end.", show_default=False)
    ] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Show versions, devices, and what does not fit together.

    What a run here would record about this place, and findings about it; nothing is imported unless --deep is given.
    Exit status: 0 nothing but information, 1 errors or warnings, 2 bad input.
    """
    if explain is not None:
        _explain(explain, lang.value, as_json)
        return
    from cadence.findings.check import misfits
    from cadence.record.environment import environment
    from cadence.record.machine.look import this_machine

    here, machine = environment(), this_machine(deep=deep)
    found = misfits(machine, at_least=at_least.value)
    if as_json:
        from cadence.cli.show import print_json

        print_json({**here, "machine": machine.to_json(), "findings": [finding.to_json() for finding in found]})
    else:
        from cadence.cli.show import print_table
        from cadence.findings.text import counted, shown

        say = Say(lang)
        rows = [(key, say(value)) for key, value in here.items() if key not in ("data", "device", "memory")]
        print_table(("", ""), [(say.name(key), words) for key, words in (*rows, *_about(machine, say))])
        print()
        for finding in found:
            print(shown(finding, (), lang.value), end="\n\n")
        print(counted(found, lang.value))
    if any(finding.severity != "information" for finding in found):
        raise typer.Exit(FINDINGS)


class Say:
    """Puts values into words.

    Args:
        lang: the language of names.
    """

    def __init__(self, lang: Language) -> None:
        self._names = ZH if lang is Language.zh else {}

    def name(self, key: str) -> str:
        """What a thing is called."""
        return self._names.get(key, key)

    def __call__(self, value: Any) -> str:
        if value is None or value == []:
            return "-"
        if isinstance(value, Mapping):
            return "\n".join(f"{self.name(k)} {self(v)}" for k, v in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if isinstance(value, list):
            return " ".join(map(self, value))  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, bool):
            return self.name("yes" if value else "no")
        return str(value)


def _about(machine: Machine, say: Say) -> Iterator[tuple[str, str]]:
    """What the checks look at, line by line."""
    limits, driver = machine.limits, machine.driver
    yield "memory", say(_size(limits.memory))
    yield "device", "\n".join(_gpu(gpu, say) for gpu in machine.gpus) or "-"
    yield "driver", say({"CUDA up to": driver.cuda}) if driver.cuda else say(driver.fault)
    yield (
        "builds",
        say({b.package: f"{b.version} {f'CUDA {b.cuda}' if b.cuda else 'CPU'}" for b in machine.builds} or None),
    )
    allowed = {
        "container": limits.container,
        "processors": limits.processors,
        "of them": limits.cpus,
        "memory": _size(limits.memory_limit),
        "/dev/shm": _size(limits.shared),
        "OMP_NUM_THREADS": limits.threads,
    }
    yield "limits", say({key: value for key, value in allowed.items() if value is not None} or None)
    yield "compiler", say(machine.compiler)
    for asked in machine.tried:
        told = {
            "GPU": asked.devices,
            "CUDA": asked.cuda,
            "cuDNN": asked.cudnn,
            "code for": ["{}.{}".format(*arch) for arch in asked.archs],
            "processes talk by": list(asked.backends),
        }
        yield "tried", f"{asked.package}\n{asked.fault or say(told)}"


def _gpu(gpu: Gpu, say: Say) -> str:
    capability = "{}.{}".format(*gpu.capability) if gpu.capability else None
    told = {"compute capability": capability, "driver": gpu.driver}
    return ", ".join([f"{gpu.name} {say(_size(gpu.memory))}", *(f"{say.name(k)} {say(v)}" for k, v in told.items())])


def _explain(code: str, lang: str, as_json: bool) -> None:
    from cadence.findings.check import CHECKS
    from cadence.findings.text import explained

    found = [CHECKS[name] for name in (CHECKS if code == "all" else [code.upper()])]
    if as_json:
        from cadence.cli.show import print_json

        names = ("code", "title", "severity", "why", "fix", "source", "example")
        print_json([{name: getattr(each, name) for name in names} for each in found])
    else:
        print("\n\n".join(explained(each, lang) for each in found))


def _size(n: int | None) -> str | None:
    return None if n is None else f"{n / (1 << 30):.4g} GiB"
