"""`cadence`: the application, its exit statuses, and one sentence for every fault.

Exit status: 0 fine, 1 findings, 2 bad input, 3 a run failed or diverged, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cadence._errors import CadenceError, DivergedError, UnknownNameError, neighbours
from cadence.cli.exits import BAD_INPUT, FAULT, INTERRUPTED, RUN_FAILED, Interrupted

# Public exceptions of typer whose bases live in click, or in typer's own copy of it, depending on typer's version.
_UsageError: Any = typer.BadParameter.__base__
_ClickException: Any = _UsageError.__base__

COMMANDS = (
    "compare",
    "sweep",
    "train",
    "find-lr",
    "recommend",
    "steer",
    "plot",
    "schedules",
    "lint",
    "convert",
    "replay",
    "diagnose",
    "runs",
    "init",
    "env",
)
"""All commands, in the order of the help page; each stands in a module of its name."""


class _ReadEnough(Exception):
    """Whoever reads the output has gone: `cadence schedules | head`."""


class _Commands(TyperGroup):
    """The group of all commands, which loads the one that is asked for, knows their neighbours, and lets no traceback
    of an interruption through.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownNameError(f"there is no command {args[0]!r}; {neighbours(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the same command starts again") from None
        except BrokenPipeError:
            # Typer would make a failure of it.
            raise _ReadEnough from None


app = typer.Typer(
    name="cadence",
    cls=_Commands,
    help="Learning-rate control for deep learning: design a schedule, check it, train with it, compare it with others.",
    epilog="`cadence compare` alone trains four recipes on two embedded data sets and compares them.",
    # Plain text: rich's help pages cost as much as all the rest of a start together.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _main(  # pyright: ignore[reportUnusedFunction]
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        # The package itself lies above all its parts.
        typer.echo(f"cadence {sys.modules['cadence'].__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@functools.cache
def _command(name: str) -> Any:
    """One command, loaded."""
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    importlib.import_module(f"cadence.cli.{name.replace('-', '_')}").add_to(alone)
    return typer.main.get_command(alone)


def main() -> None:
    """Run the command line on this process's arguments, and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: as typed, without the program's name.

    Returns:
        The exit status. What went wrong stands on stderr as one sentence; only a fault of cadence itself shows a
        traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show is shown as a question mark, instead of ending the command.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except (_ReadEnough, BrokenPipeError):
        # Python must not find the broken pipe again when it ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        status = command.main(arguments, prog_name="cadence", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except Interrupted as interrupted:
        return _say(str(interrupted), INTERRUPTED)
    except DivergedError as error:
        return _say(str(error), RUN_FAILED)
    except CadenceError as error:
        return _say(str(error), BAD_INPUT)
    except _ClickException as error:
        return _say(_usage(error, arguments), BAD_INPUT)
    except (_ReadEnough, BrokenPipeError):
        raise
    except OSError as error:
        # A file that cannot be read or written: the path and the system's own word for it.
        if error.filename is None:
            return _fault()
        return _say(f"{os.fspath(error.filename)!r}: {error.strerror}; check the path and its permissions", BAD_INPUT)
    except Exception:
        return _fault()


def _say(sentence: str, status: int) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return status


def _fault() -> int:
    import traceback

    traceback.print_exc()
    return _say("this is a fault of cadence itself; please report it together with the lines above", FAULT)


def _usage(error: Any, arguments: list[str]) -> str:
    """What is wrong with an option, in one sentence with its value or its neighbours."""
    ctx = getattr(error, "ctx", None)
    where = ctx.command_path if ctx is not None else "cadence"
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        known = [name for p in ctx.command.get_params(ctx) for name in p.opts if name.startswith("--")] if ctx else []
        return f"{where} has no option {option!r}; {neighbours(option, known)}"
    said = error.format_message().strip().rstrip(".")
    value = _given(getattr(getattr(error, "param", None), "opts", []), arguments)
    if value is not None and value not in said:
        said += f", not {value!r:.80}"
    return f"{said}; see {where} --help"


def _given(options: list[str], arguments: list[str]) -> str | None:
    """The value that was typed for an option."""
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in options:
            return value if equals else next(iter(arguments[i + 1 :]), None)
    return None
