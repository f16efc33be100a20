"""Schedulers from text, as they stand in a program: read by whitelist over Python's own syntax tree, never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, cast

from cadence._errors import CadenceError, ConversionError, UnknownNameError, neighbours
from cadence.conversion.definition import Definition, definitions, owners
from cadence.conversion.native import Native
from cadence.conversion.written import written
from cadence.spec.formula import segment, syntax_tree
from cadence.spec.shown import shown

PREFIXES = {
    "torch": "torch", "optim": "torch", "lr_scheduler": "torch", "paddle": "paddle", "lr": "paddle",
    "transformers": "transformers", "timm": "timm", "optax": "optax", "keras": "keras", "tf": "keras",
    "tensorflow": "keras", "schedules": "keras", "ignite": "ignite", "handlers": "ignite",
    "pytorch_optimizer": "pytorch_optimizer",
}  # fmt: skip
"""First word of a dotted name -> framework."""

BY_NAME = {"get_scheduler": "transformers", "load_lr_scheduler": "pytorch_optimizer"}
"""Functions that take the scheduler's name -> framework."""

MOST_DIGITS = 10_000
"""Bits of a whole number that arithmetic may reach; more were not meant."""


class Unsaid:
    """A name whose value the text does not say: the optimizer, as a rule."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def read_text(text: str, framework: str | None = None) -> Native:
    """A scheduler's construction from its text.

    Args:
        text: e.g. ``"CosineAnnealingLR(T_max=90)"``, ``"torch.optim.lr_scheduler.StepLR(optimizer, 30)"``,
            ``"get_scheduler('cosine', optimizer, 10, 100)"``. An optimizer in front is passed over.
        framework: whose it is; where it is left out, a dotted name says it, or the only framework that has such a
            scheduler.

    Raises:
        UnknownNameError: no such scheduler or argument.
        ConversionError: a value that the text does not say, or what is no construction of a scheduler.

    Example:
        >>> read_text("torch.optim.lr_scheduler.StepLR(optimizer, 30, gamma=1 / 3)")
        StepLR(step_size=30, gamma=0.3333333333333333)
    """
    return read_node(syntax_tree(text, "the scheduler"), text, framework)


def read_node(
    node: ast.expr, text: str, framework: str | None = None, names: Mapping[str, Any] | None = None
) -> Native:
    """The same from a syntax tree.

    Args:
        node: the construction.
        text: what it was read from, for messages.
        framework: see `read_text`.
        names: values of names, where more is known than the text itself says.
    """
    try:
        found = _Reader(text, names or {}).read(node, framework)
    except RecursionError:
        raise ConversionError(f"{_short(text)!r} is nested too deeply; write it flatter") from None
    if isinstance(found, Native):
        return found
    raise ConversionError(f"{_short(text)!r} constructs no scheduler; write e.g. 'CosineAnnealingLR(T_max=90)'")


def called(text: str) -> tuple[str | None, str | None]:
    """(name of what a text calls, framework that its dotted name points to); None where it calls nothing by name.

    Example:
        >>> called("optax.linear_schedule(0.1, 0, 90)"), called("warmup(5) >> cosine()")
        (('linear_schedule', 'optax'), (None, None))
    """
    node = syntax_tree(text, "the scheduler")
    named = names_of(node.func) if isinstance(node, ast.Call) else None
    return (None, None) if named is None else (named[1], named[0])


def names_of(node: ast.expr) -> tuple[str | None, str] | None:
    """(framework that a dotted name points to, last part of the name) of what is called; None where it is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return (PREFIXES.get(parts[-1]) if len(parts) > 1 else None), parts[0]


def found_in(framework: str, name: str) -> Definition | None:
    """The definition of a name in one framework: as registered, or the last part of where it lives."""
    known = definitions(framework)
    if name in known:
        return known[name]
    return next((known[n] for n in known if known[n].path.rpartition(".")[2] == name), None)


class _Reader:
    """Turns one text's syntax tree into a call as data."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self._text = text
        self._names = names

    def read(self, node: ast.expr, framework: str | None) -> Any:
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                number = self._number(operand, framework)
                return -number if isinstance(sign, ast.USub) else number
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(op, self._number(left, framework), self._number(right, framework), node)
            case ast.List(elts=items):
                return [self.read(x, framework) for x in items]
            case ast.Tuple(elts=items):
                return tuple(self.read(x, framework) for x in items)
            case ast.Dict(keys=keys, values=values) if None not in keys:
                inside = [
                    (self.read(k, framework), self.read(v, framework)) for k, v in zip(keys, values, strict=True) if k
                ]
                return dict(inside)
            case ast.Lambda():
                return written(segment(self._text, node), node)
            case ast.Call():
                return self._call(node, framework)
            case ast.Name(id=name):
                return self._names.get(name, Unsaid(name))
            case ast.Attribute():
                return self._dotted(node)
            case _:
                raise self._refused(node)

    def _dotted(self, node: ast.Attribute) -> Any:
        name = ast.unparse(node)
        if name in self._names:
            return self._names[name]
        if name in ("math.pi", "np.pi", "numpy.pi"):
            return 3.141592653589793
        return Unsaid(name)

    # ---- numbers -------------------------------------------------------------------------------------------------

    def _number(self, node: ast.expr, framework: str | None) -> Any:
        value = self.read(node, framework)
        if isinstance(value, Unsaid):
            raise self._unsaid(value, node)
        if not isinstance(value, (int, float)):
            raise self._refused(node)
        return value

    def _arithmetic(self, op: ast.operator, a: Any, b: Any, node: ast.expr) -> Any:
        try:
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return self._bounded(a * b, node)
                case ast.Div():
                    return a / b
                case ast.FloorDiv():
                    return a // b
                case ast.Mod():
                    return a % b
                case ast.Pow():
                    whole = isinstance(a, int) and isinstance(b, int)
                    if whole and abs(b) * max(a.bit_length(), 1) > MOST_DIGITS:
                        raise self._too_large(node)
                    power = a**b
                    if isinstance(power, complex):
                        raise self._refused(node)
                    return power
                case _:
                    raise self._refused(node)
        except ArithmeticError as fault:
            raise ConversionError(f"{self._segment(node)!r} cannot be computed: {fault}; write a number") from None

    def _bounded(self, x: Any, node: ast.expr) -> Any:
        if isinstance(x, int) and x.bit_length() > MOST_DIGITS:
            raise self._too_large(node)
        return x

    # ---- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, framework: str | None) -> Native:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise ConversionError(
                f"{self._segment(node)!r} spreads arguments with *, which the text does not show; write them one by one"
            )
        chosen = node.func
        if isinstance(chosen, ast.Call):
            # load_lr_scheduler("rex")(optimizer, ...)
            return self._by_name(chosen, node, framework)
        named = names_of(chosen)
        if named is None:
            raise self._refused(node)
        owner, name = named
        if name in BY_NAME:
            return self._by_name(node, None, framework)
        first, by_name = self._arguments(node, owner or framework)
        if framework is None or (owner is not None and owner != framework and found_in(owner, name) is not None):
            return self._bound(self._candidates(owner, name), name, first, by_name)
        found = found_in(framework, name)
        if found is not None:
            return self._bound([found], name, first, by_name)
        # A scheduler of another framework inside one of this: ignite's and transformers' may wrap torch's.
        others = self._candidates(None, name, among=framework)
        return self._bound(others, name, first, by_name)

    def _arguments(self, node: ast.Call, framework: str | None) -> tuple[list[Any], dict[str, Any]]:
        first = [self.read(a, framework) for a in node.args]
        return first, {str(k.arg): self.read(k.value, framework) for k in node.keywords}

    def _candidates(self, owner: str | None, name: str, among: str | None = None) -> list[Definition]:
        if owner is not None:
            found = found_in(owner, name)
            if found is None:
                _ = definitions(owner)[name]  # says what was meant
                raise AssertionError(name)
            return [found]
        by_name = [definitions(f)[name] for f in owners() if name in definitions(f)]
        found = by_name or [d for f in owners() if (d := found_in(f, name)) is not None]
        if not found:
            if among is not None:
                _ = definitions(among)[name]
            near = neighbours(name, {n for f in owners() for n in definitions(f)})
            # All of them are too many for a sentence.
            remedy = near if near.startswith("did you mean") else "docs/conversion.md lists all that are known"
            raise UnknownNameError(f"no framework known here has a scheduler {name!r:.80}; {remedy}")
        return found

    def _bound(self, candidates: list[Definition], name: str, first: list[Any], by_name: dict[str, Any]) -> Native:
        """The call of the one that is meant: where several frameworks have the name, the one that takes the values."""
        bound: list[Native] = []
        faults: list[CadenceError] = []
        for each in candidates:
            try:
                bound.append(self._bind(each, first, by_name))
            except CadenceError as fault:
                faults.append(fault)
        if len(bound) == 1:
            return bound[0]
        if not bound and len(faults) == 1:
            raise faults[0]
        several = [c.framework for c in candidates] if not bound else [n.framework for n in bound]
        raise ConversionError(
            f"{name} is a scheduler of {' and of '.join(several)}; say whose with --from {several[0]} "
            f"(source_framework={several[0]!r}), or write its dotted name"
        )

    def _bind(self, definition: Definition, first: list[Any], by_name: Mapping[str, Any]) -> Native:
        own = [p.name for p in definition.parameters]
        before = first[0] if first and isinstance(first[0], Unsaid) and "optimizer" not in own else None
        kept = {k: v for k, v in by_name.items() if k != "optimizer" or "optimizer" in own}
        try:
            native = definition.bind(first if before is None else first[1:], kept)
        except ConversionError as fault:
            if before is None:
                raise
            raise ConversionError(f"{fault} ({before!r:.60}, in front, is taken for the optimizer)") from None
        for key, value in native.arguments.items():
            self._check_said(key, value)
        return native

    def _check_said(self, key: str, value: Any) -> None:
        if isinstance(value, Unsaid):
            raise ConversionError(f"{key} is {value!r:.60}, whose value the text does not say; write the number itself")
        if isinstance(value, (list, tuple)):
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                self._check_said(key, item)

    def _by_name(self, node: ast.Call, outer: ast.Call | None, framework: str | None) -> Native:
        """A function that is given the scheduler's name: ``get_scheduler("cosine", optimizer, 10, 100)``."""
        named = names_of(node.func)
        owner = BY_NAME.get(named[1]) if named is not None else None
        if named is None or owner is None or (outer is None) != (owner == "transformers"):
            raise self._refused(outer or node)
        if framework is not None and framework != owner and named[0] is None:
            raise ConversionError(f"{named[1]} is a function of {owner}, not of {framework}; write --from {owner}")
        first, by_name = self._arguments(node, owner)
        key = "name" if owner == "transformers" else "lr_scheduler_name"
        name = by_name.pop(key, None) if not first else first.pop(0)
        if not isinstance(name, str):
            raise ConversionError(
                f"{named[1]} wants the scheduler's name, e.g. {named[1]}('cosine', ...), not {shown(name)}"
            )
        definition = definitions(owner)[name]
        if outer is not None:
            return self._bind(definition, *self._arguments(outer, owner))
        return self._bind(definition, [], self._flat(definition, first, by_name))

    def _flat(self, definition: Definition, first: list[Any], by_name: dict[str, Any]) -> dict[str, Any]:
        """get_scheduler's arguments as those of the scheduler itself, which gets only what it can use."""
        order = ("optimizer", "num_warmup_steps", "num_training_steps", "scheduler_specific_kwargs")
        if len(first) > len(order):
            raise ConversionError(f"get_scheduler takes {len(order) + 1} values at most, not {len(first) + 1}")
        given = dict(zip(order, first, strict=False)) | by_name
        given.pop("optimizer", None)
        special: Any = given.pop("scheduler_specific_kwargs", None) or {}
        if not isinstance(special, dict):
            raise ConversionError(f"scheduler_specific_kwargs is a dict, not {shown(special)}")
        for key in given:
            if key not in order:
                raise UnknownNameError(f"get_scheduler has no argument {key!r}; {neighbours(key, ('name', *order))}")
        own = [p.name for p in definition.parameters]
        return {k: v for k, v in given.items() if k in own and v is not None} | dict(cast("dict[str, Any]", special))

    # ---- messages ------------------------------------------------------------------------------------------------

    def _segment(self, node: ast.expr) -> str:
        return _short(segment(self._text, node))

    def _refused(self, node: ast.expr) -> ConversionError:
        return ConversionError(
            f"{_short(self._text)!r} contains {self._segment(node)!r}, which is not read; write a scheduler's call "
            f"with numbers, text, lists, other schedulers, or a lambda over one name"
        )

    def _unsaid(self, value: Unsaid, node: ast.expr) -> ConversionError:
        return ConversionError(f"the text does not say what {value!r:.60} is; write the number itself")

    def _too_large(self, node: ast.expr) -> ConversionError:
        return ConversionError(f"{self._segment(node)!r} is a number too large to be meant; write it out")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
