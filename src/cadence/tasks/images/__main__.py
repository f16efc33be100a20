"""Read every image of a folder: ``python -m cadence.tasks.images FOLDER [WORKERS]``.

Prints one line for each image that cannot be read. Exit status: 0 where there is none, 1 where there are, 2 where the
folder cannot be used.
"""

from __future__ import annotations

import sys

from cadence._errors import CadenceError
from cadence.tasks.images.checking import unreadable


def main(arguments: list[str]) -> int:
    """Check the folder; returns the exit status."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-") or not all(a.isdecimal() for a in arguments[1:]):
        print("usage: python -m cadence.tasks.images FOLDER [WORKERS]", file=sys.stderr)
        return 2
    count = 0
    try:
        for sentence in unreadable(arguments[0], workers=max(1, int(arguments[1])) if arguments[1:] else 1):
            print(sentence)
            count += 1
    except CadenceError as fault:
        print(fault, file=sys.stderr)
        return 2
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
