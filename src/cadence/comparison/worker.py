"""The inside of a worker process: takes jobs as lines of JSON, answers in lines of JSON, dies with its parent."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from cadence._errors import CadenceError

Tell: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Sends news of a job while it is going on."""


MOST_CHARACTERS = 500
"""Of what somebody else's exception says: some print whole arrays."""


def serve() -> None:
    """Do jobs until the parent closes the pipe or dies."""
    orders, answers = own_pipes()
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, jobs), daemon=True).start()
    lock = threading.Lock()

    def send(message: Mapping[str, Any]) -> None:
        with lock:
            answers.write(json.dumps(message).encode() + b"\n")
            answers.flush()

    while True:
        job = jobs.get()

        def tell(news: Mapping[str, Any], number: int = job["job"]) -> None:
            send({"job": number, "kind": "news", "news": news})

        send({"job": job["job"], **answer(job["call"], job["arguments"], tell)})


def own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes from and to the parent, out of reach of what reads or prints; what is printed goes to stderr."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Where a terminal's Ctrl-C does reach this process, what happens then is still the parent's matter.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return orders, answers


def _listen(orders: IO[bytes], jobs: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass jobs on; end this process, with what it may have started, when the pipe is closed."""
    for line in orders:
        jobs.put(json.loads(line))
    # Not sys.exit: the main thread is in the midst of a training. Whatever it writes is whole or not there.
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def answer(call: str, arguments: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Do a job, whatever becomes of it.

    Args:
        call: which of `JOBS`.
        arguments: of it.
        tell: is called with its news.

    Returns:
        ``kind`` ``"done"`` with the ``result``, or ``"failed"`` with the ``error`` (name of a class of
        `cadence._errors`, or None) and a ``sentence``.
    """
    try:
        return {"kind": "done", "result": JOBS[call](tell, **arguments)}
    except CadenceError as error:
        return {"kind": "failed", "error": type(error).__name__, "sentence": " ".join(str(error).split())}
    except MemoryError:
        return {"kind": "failed", "error": None, "sentence": "there was not enough memory"}
    except BaseException as error:
        # The code of others: whatever it raises, sys.exit() included, ends this job and no other.
        traceback.print_exc()
        frames = traceback.extract_tb(error.__traceback__)
        said = " ".join(str(error).split())[:MOST_CHARACTERS]
        where = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
        return {"kind": "failed", "error": None, "sentence": f"{type(error).__name__}: {said}{where}"}


# ---- jobs ------------------------------------------------------------------------------------------------------------


def _look(tell: Tell, recipe: dict[str, Any], splits: list[str]) -> dict[str, Any]:
    """Everything that can be wrong with a recipe before it is trained, and what is known of its run."""
    from cadence.drivers.doors import drive
    from cadence.recipe.recipe import make_recipe
    from cadence.run.course import settle
    from cadence.run.engine import find_engine
    from cadence.run.ranks import Alone
    from cadence.run.scaling import at_batch
    from cadence.tasks import resolve_task

    read = make_recipe(recipe)
    task = resolve_task(read.task, **read.task_args)
    for split in splits:
        course = settle(read, task, split)  # type: ignore[arg-type]
        task.data.held_out(course.split)
    course = settle(read, task, "val")
    run = course.horizon
    with find_engine(read.engine)(at_batch(read, course.scalings), task, Alone()) as engine:
        driver = drive(
            engine.optimizers, course.plan, total=run.total, steps_per_epoch=run.steps_per_epoch,
            batch_size=run.batch_size, tokens_per_step=run.tokens_per_step, scaler=engine.scaler,
        )  # fmt: skip
        spec, device = driver.curve.spec, str(engine.device.get("type", "cpu"))
    return {
        "spec": spec,
        "device": device,
        "total": course.total,
        "horizon": {
            "total": run.total,
            "steps_per_epoch": run.steps_per_epoch,
            "batch_size": run.batch_size,
            "tokens_per_step": run.tokens_per_step,
        },
        "metric": task.metric_name,
        "higher_is_better": task.metric_better == "max",
    }


def _train(tell: Tell, recipe: dict[str, Any], out: str, split: str) -> dict[str, Any]:
    """One training; the result as `result.json` has it."""
    from cadence.recipe.load import load_recipe
    from cadence.recipe.recipe import make_recipe
    from cadence.record.names import RECIPE
    from cadence.run.loop import Progress
    from cadence.run.train import train

    def progress(now: Progress) -> None:
        told = {"t": now.t, "total": now.total, "loss": now.loss, "metrics": dict(now.metrics)}
        tell({**told, "evaluated": now.evaluated})

    read, path = make_recipe(recipe), Path(out, RECIPE)
    # The folder is this comparison's own. What lies there without a recipe was killed while it began; what was run at a
    # rate that tuning would not choose now is of no use.
    stale = Path(out).exists() and (not path.exists() or load_recipe(path).content_hash != read.content_hash)
    record = train(read, out=out, split=split, fresh=stale, progress=progress)  # type: ignore[arg-type]
    return dict(record.result or {})


JOBS: Mapping[str, Callable[..., dict[str, Any]]] = {"look": _look, "train": _train}
"""What a worker can be asked to do."""
