"""What a model was divided into: groups that optimizers take, and the table that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from cadence._errors import OptimizerError, neighbours
from cadence.optim.groups.tree import Parameter


@dataclass(frozen=True)
class Part:
    """One group of an optimizer.

    Attributes:
        name: `group`, and what it is a part of it by: ``"body"``, ``"body:3"``, ``"body:3:no_decay"``.
        group: name of the group that it is, or is a part of.
        optimizer: name of the optimizer that trains it.
        depth: of its parameters; None where the group has no decay by depth.
        parameters: at least one.
        values: what it has of its own, in numbers; the optimizer's hold for all else.
        frozen: for how long it is not trained, as plain data; None: it is trained at once.
    """

    name: str
    group: str
    optimizer: str
    depth: int | None
    parameters: tuple[Parameter, ...]
    values: Mapping[str, Any]
    frozen: int | str | bool | None

    def entry(self) -> dict[str, Any]:
        """The group as torch's optimizers take it."""
        lasting = {} if self.frozen is None else {"frozen": self.frozen}
        return {"name": self.name, "params": [p.tensor for p in self.parameters], **self.values, **lasting}


Spell = Callable[[list[dict[str, Any]], Mapping[str, Any]], list[dict[str, Any]]]


def as_torch(entries: list[dict[str, Any]], own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups in torch's words, which are the ones they are described in."""
    del own
    return entries


@final
class Groups:
    """Parameter groups. Iterating gives what optimizers take: one dictionary for each.

    Attributes:
        parts: the groups, those of the first optimizer first.
    """

    def __init__(self, parts: tuple[Part, ...], own: Mapping[str, Mapping[str, Any]], spell: Spell = as_torch) -> None:
        """Hold groups.

        Args:
            parts: of all optimizers.
            own: name of each optimizer -> its own values, as far as they are known.
            spell: puts the groups of one optimizer, with its own values, into its framework's words.
        """
        self.parts = parts
        self._own = own
        self._spell = spell

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([entry for optimizer in self._own for entry in self.of(optimizer)])

    def __len__(self) -> int:
        return len(self.parts)

    def of(self, optimizer: str) -> list[dict[str, Any]]:
        """The groups of one of several optimizers, as its framework takes them.

        Raises:
            OptimizerError: there is no such optimizer.
        """
        return self._spell(self.entries(optimizer), self._own[optimizer])

    def entries(self, optimizer: str | None = None) -> list[dict[str, Any]]:
        """The groups in the words of `cadence.optimizer`: as torch takes them, in paddle too, with rates of their own.

        Args:
            optimizer: of which; None: of all.

        Raises:
            OptimizerError: there is no such optimizer.
        """
        if optimizer is not None and optimizer not in self._own:
            raise OptimizerError(f"there is no optimizer called {optimizer!r}; {neighbours(optimizer, self._own)}")
        return [part.entry() for part in self.parts if optimizer in (None, part.optimizer)]

    def filled(self) -> Groups:
        """The same groups, each with all the values of its optimizer that are known, so that it needs no others."""
        parts = [replace(part, values={**self._own[part.optimizer], **part.values}) for part in self.parts]
        return Groups(tuple(parts), self._own, self._spell)

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain data: one row per group.

        Returns:
            Mappings with `group`, `optimizer`, `depth` (None where it does not matter), `parameters` (how many),
            `numbers` (how many they hold), `values` (value -> number, the optimizer's own included), `own` (which of
            the values are the group's own), `frozen` and `names` of the parameters.
        """
        return [
            {
                "group": part.name,
                "optimizer": part.optimizer,
                "depth": part.depth,
                "parameters": len(part.parameters),
                "numbers": sum(p.size for p in part.parameters),
                "values": {**self._own[part.optimizer], **part.values},
                "own": list(part.values),
                "frozen": part.frozen,
                "names": [p.name for p in part.parameters],
            }
            for part in self.parts
        ]

    def table(self) -> str:
        """The groups as text, one line for each: depth, how many numbers they hold, values, first names."""
        head, body = table_cells(self.rows())
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *body]]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<{len(self)} parameter groups: {', '.join(part.name for part in self.parts)}>"


SHOWN = ("lr", "weight_decay")
"""Values that the table shows of every group; others only of those that have one of their own."""


def table_cells(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and cells of the table of `Groups.rows`, without columns that say nothing.

    Example:
        >>> row = {"group": "head", "optimizer": "a", "depth": None, "parameters": 1, "numbers": 8, "frozen": None}
        >>> table_cells([row | {"values": {"lr": 0.1}, "own": ["lr"], "names": ["head.weight"]}])
        (['group', 'numbers', 'lr', 'parameters'], [['head', '8', '0.1', 'head.weight']])
    """
    several = len({row["optimizer"] for row in rows}) > 1
    shown = dict.fromkeys([*SHOWN, *(key for row in rows for key in row["own"])])
    values = [key for key in shown if any(row["values"].get(key) is not None for row in rows)]
    columns: dict[str, list[str]] = {"group": [row["group"] for row in rows]}
    if several:
        columns["optimizer"] = [row["optimizer"] for row in rows]
    if any(row["depth"] is not None for row in rows):
        columns["depth"] = [_cell(row["depth"]) for row in rows]
    columns["numbers"] = [f"{row['numbers']:,}" for row in rows]
    columns |= {key: [_cell(row["values"].get(key)) for row in rows] for key in values}
    if any(row["frozen"] is not None for row in rows):
        columns["frozen"] = ["always" if row["frozen"] is True else _cell(row["frozen"]) for row in rows]
    columns["parameters"] = [_first(row["names"]) for row in rows]
    return list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)]


def _cell(x: Any) -> str:
    if x is None:
        return ""
    return f"{x:.4g}" if isinstance(x, (int, float)) and not isinstance(x, bool) else str(x)


def _first(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown}, ... ({len(names)})"
