"""Values from outside as messages show them: as they were written, and in bounded space and time."""

from __future__ import annotations

import reprlib


class _Bounded(reprlib.Repr):
    """A `repr` that does not follow nested data to its end: a few lists that hold each other can be 10 ** 9 items."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = (
            self.maxarray
        ) = 4
        self.maxstring = self.maxother = 60
        self.maxlong = 40

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out integers of more than 4300 digits, and takes its time before that.
        if x.bit_length() > 400:
            return f"{'-' if x < 0 else ''}an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


def shown(x: object) -> str:
    """A value as a message shows it.

    Example:
        >>> shown("5 epoch s"), shown(0.5), shown([1, [2, [3, [4, [5]]]]])
        ("'5 epoch s'", '0.5', '[1, [2, [3, [...]]]]')
        >>> shown(10**5000)
        'an integer of 16610 bits'
    """
    return _BOUNDED.repr(x)


_BOUNDED = _Bounded()
