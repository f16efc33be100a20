"""A range test in somebody's own loop."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, final

from cadence._errors import DriverError, RanksError
from cadence.drivers.ranks import Exchange
from cadence.finder.found import Found
from cadence.finder.rates import Rates
from cadence.finder.subject import Subject
from cadence.finder.suggest import suggest
from cadence.finder.sweeps import Asked, Swept, sweeps
from cadence.finder.watch import Watch

MOST_SKIPPED = 100
"""Updates in a row that may be left out. Each halves the scale of a loss scaler: after so many it stands at nothing."""


@final
class Finder:
    """The rates of a test, one after the other, each already in the optimizer.

    Made by `cadence.find_lr`. In each turn of the loop train one update and tell its loss::

        finder = cadence.find_lr(optimizer, model=model, updates=100)
        for lr in finder:
            loss = train_one_update(next(batches))
            finder.observe(loss)
        print(finder.result)

    When the loop is over, model, optimizer and random numbers are as they were before it, to the bit; also where it was
    left by ``break``, ``return`` or an exception. (CPython ends a loop's iterator at once. Where something else holds
    it, or on another Python, use the finder as a context manager: ``with finder: ...``.)

    Args:
        subject: is trained.
        rates: of its groups.
        asked: of the test, checked.
        exchange: among all ranks; None: there is one.
    """

    def __init__(self, subject: Subject, rates: Rates, asked: Asked, exchange: Exchange | None) -> None:
        self._subject, self._rates, self._asked, self._exchange = subject, rates, asked, exchange
        self._begun = self._open = False
        # What was told in this turn: nothing yet, one number, or the numbers of its micro-batches.
        self._loss: float | list[float] | None = None
        self._skipped = self._in_a_row = 0
        # Updates done when one was skipped last.
        self._stood = -1
        self._swept: Swept | None = None
        self._result: Found | None = None

    # ---- the loop ------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[float]:
        if self._begun:
            raise DriverError("this range test is over; make another one with find_lr for another loop")
        self._begun = True
        return self._turns()

    def observe(self, loss: Any) -> None:
        """Tell the loss of the update: once, or once for each of its micro-batches, whose mean counts.

        Args:
            loss: a number, or a tensor with one.

        Raises:
            DriverError: outside of the loop.
        """
        if not self._open:
            raise DriverError("observe() belongs into the loop: for lr in finder: ...; finder.observe(loss)")
        item = getattr(loss, "item", None)
        number = float(loss) if item is None else item()
        told = self._loss
        if told is None:
            self._loss = number
        else:
            self._loss = [*told, number] if isinstance(told, list) else [told, number]

    @property
    def result(self) -> Found:
        """What came of it.

        Raises:
            DriverError: the loop was left before it was over, or has not begun.
        """
        if self._result is None:
            if self._swept is None:
                what = "was left before it was over" if self._begun else "has not begun"
                raise DriverError(f"the range test {what}; go through the loop to its end: for lr in finder: ...")
            said = suggest(self._swept.rates, self._swept.losses)
            rates = self._rates
            self._result = Found(said, self._swept, rates.own, rates.names, rates.reference, self._skipped, {})
        return self._result

    def close(self) -> None:
        """Put everything back now, where that has not been done; a loop that is over has done it."""
        if self._open:
            self._open = False
            self._subject.end()

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _turns(self) -> Iterator[float]:
        """All turns, in one function: between two updates of somebody else's its code is out of the processor's caches,
        and each call that is not made here is worth half a microsecond.
        """
        subject, clock, write, shares = self._subject, self._subject.clock, self._rates.write, self._rates.shares
        alone = self._exchange is None
        subject.begin()
        self._open = True
        try:
            course = sweeps(self._asked)
            rates = next(course)
            while True:
                watch = Watch()
                keep, floor, ceiling = watch.losses.append, watch.floor, watch.ceiling
                rows = [[rate * share for share in shares] for rate in rates]
                for rate, row in zip(rates, rows, strict=True):
                    write(row)
                    before, self._loss = clock.done, None
                    yield rate
                    told = self._loss
                    # Most turns are one update with one loss.
                    if type(told) is float and clock.done == before + 1 and alone:
                        loss = told
                    else:
                        loss = yield from self._with_care(told, rate, before)
                    if floor <= loss < ceiling:
                        keep(loss)
                    elif watch.gone(loss):
                        break
                    else:
                        floor, ceiling = watch.floor, watch.ceiling
                rates = course.send(watch.losses)
                subject.again()
        except StopIteration as over:
            self._swept = over.value
        finally:
            self.close()

    def _with_care(self, told: float | list[float] | None, rate: float, before: int) -> Generator[float, None, float]:
        """The loss of a turn that is none of the usual ones; one without an update is gone through again."""
        clock, loss = self._subject.clock, self._taken(told, rate)
        while not self._counts(clock.done - before, loss):
            before, self._loss = clock.done, None
            yield rate
            loss = self._taken(self._loss, rate)
        return loss

    def _taken(self, told: float | list[float] | None, rate: float) -> float:
        """The loss of a turn: of all its micro-batches, and of all ranks."""
        if not self._open:
            raise DriverError("the finder was closed within its loop; leave the loop first")
        if told is None:
            raise DriverError(f"no loss was told at rate {rate:.3g}; call finder.observe(loss) in every turn")
        loss = math.fsum(told) / len(told) if isinstance(told, list) else float(told)
        if self._exchange is None:
            return loss
        done = self._subject.clock.done
        there = self._exchange({"loss": loss, "rate": rate, "done": done})
        if any((one["rate"], one["done"]) != (rate, done) for one in there):
            raise RanksError(
                f"ranks do not test alike: (rate, updates done) are {[(one['rate'], one['done']) for one in there]}; "
                f"make the same finder on each, and step all optimizers alike"
            )
        return sum(one["loss"] for one in there) / len(there)

    def _counts(self, done: int, loss: float) -> bool:
        """Whether a turn was an update of the test. One that was skipped is done again, unless its loss has gone."""
        if done > 1:
            raise DriverError(f"one turn of the loop did {done} updates; do one in each, or the rates are not as told")
        if done or not math.isfinite(loss):
            return True
        self._skipped += 1
        self._in_a_row = self._in_a_row + 1 if self._subject.clock.done == self._stood else 1
        self._stood = self._subject.clock.done
        if self._in_a_row >= MOST_SKIPPED:
            raise DriverError(
                f"{MOST_SKIPPED} turns in a row did no update; call optimizer.step() (or scaler.step(optimizer)) in "
                f"every turn"
            )
        return False
