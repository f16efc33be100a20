"""Which group each parameter belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NoReturn

from cadence._errors import OptimizerError, neighbours
from cadence.optim.groups.depth import Depths
from cadence.optim.groups.roles import roles
from cadence.optim.groups.tree import Parameter, Tree
from cadence.spec.groups import REST, Wanted
from cadence.spec.pattern import Pattern


def owners(tree: Tree, found: Depths, groups: Sequence[tuple[str, Wanted]]) -> dict[str, str]:
    """The group of every trained parameter.

    Of two groups that claim a parameter, the one whose pattern points closer gets it: a full name before a pattern of
    names, that before a module type, that before a role or a depth.

    Args:
        tree: of the model.
        found: depths of its parameters.
        groups: name and wish of each, in order.

    Returns:
        Name of a parameter -> name of its group, ``"rest"`` where none claims it.

    Raises:
        OptimizerError: a pattern that matches nothing, a parameter that two groups claim equally closely, a group that
            gets nothing.
    """
    trained = [p for p in tree.parameters if p.trained]
    if not trained:
        raise OptimizerError(f"the model {tree.kind} has no trainable parameters; set requires_grad on some")
    kinds = {p.name: _kinds(p, found) for p in tree.parameters}
    matches = {
        pattern: {p.name for p in tree.parameters if _matches(pattern, p, kinds[p.name], found)}
        for _, group in groups
        for pattern in (*group.claims, *group.without)
    }
    names = [p.name for p in trained]
    for name, group in groups:
        for pattern in (*group.claims, *group.without):
            if matches[pattern].isdisjoint(names):
                _matches_nothing(name, pattern, tree, matches[pattern], kinds)
    table = {parameter: _owner(parameter, groups, matches) for parameter in names}
    for name, group in groups:
        if name not in table.values():
            raise OptimizerError(
                f"groups: no parameter is left for {name!r} ({_listed(group.claims)}): all that it claims is taken out "
                f"by its `without`, or belongs to a group that names it more closely; widen it, or take it out"
            )
    return table


def _owner(parameter: str, groups: Sequence[tuple[str, Wanted]], matches: Mapping[Pattern, set[str]]) -> str:
    """The group with the closest claim to a parameter."""
    claims: list[tuple[str, Pattern]] = []
    for name, group in groups:
        if any(parameter in matches[pattern] for pattern in group.without):
            continue
        closest = min((p for p in group.claims if parameter in matches[p]), key=lambda p: p.standing, default=None)
        if closest is not None:
            claims.append((name, closest))
    claims.sort(key=lambda claim: claim[1].standing)
    if len(claims) > 1 and claims[0][1].standing == claims[1][1].standing:
        (a, first), (b, second) = claims[:2]
        raise OptimizerError(
            f"groups: {parameter!r} is claimed twice, by {a!r} ({str(first)!r}) and by {b!r} ({str(second)!r}); take "
            f"it out of one of them, e.g. with without: {parameter!r}"
        )
    return claims[0][0] if claims else REST


def _kinds(parameter: Parameter, found: Depths) -> frozenset[str]:
    """The roles of a parameter, those included that depend on where it stands."""
    placed = {"stem"} if parameter.name in found.stem else set[str]()
    if parameter.name in found.head:
        placed.add("head")
    own = roles(parameter)
    return (own - {"matrix"} if "head" in placed else own) | placed


def _matches(pattern: Pattern, parameter: Parameter, kinds: frozenset[str], found: Depths) -> bool:
    match pattern.kind:
        case "type":
            return any(fnmatchcase(kind, pattern.text) for kind in parameter.owner.types)
        case "role":
            return pattern.text in kinds
        case "depth":
            return found.of[parameter.name] in pattern.depths
        case "re":
            return any(re.fullmatch(pattern.text, name) for name in parameter.names)
        case _:
            return any(fnmatchcase(name, pattern.text) for name in parameter.names)


def _matches_nothing(
    group: str, pattern: Pattern, tree: Tree, untrained: set[str], kinds: Mapping[str, frozenset[str]]
) -> NoReturn:
    told = f"groups: the pattern {str(pattern)!r} of {group!r} matches no parameter"
    if untrained:
        raise OptimizerError(
            f"{told} that is trained, only {min(untrained)!r} and the like, which need no gradient; set requires_grad "
            f"on them, or take the pattern out"
        )
    raise OptimizerError(f"{told}; {_TOLD.get(pattern.kind, _told_names)(pattern, tree, kinds)}")


def _told_names(pattern: Pattern, tree: Tree, kinds: Mapping[str, frozenset[str]]) -> str:
    del kinds
    names = [name for p in tree.parameters for name in p.names]
    # `haed.*` is nearer to `head.weight` by its first word than by its letters.
    firsts = list(dict.fromkeys([*names, *(name.partition(".")[0] for name in names)]))
    near = neighbours(re.sub(r"[*?.]+$", "", pattern.text), firsts)
    return near if near.startswith("did") else _some("parameters are called", names)


def _told_types(pattern: Pattern, tree: Tree, kinds: Mapping[str, frozenset[str]]) -> str:
    del kinds
    types = dict.fromkeys(p.owner.types[0] for p in tree.parameters if p.owner.types)
    near = neighbours(pattern.text, types)
    return near if near.startswith("did") else _some("modules with parameters are", list(types))


def _told_roles(pattern: Pattern, tree: Tree, kinds: Mapping[str, frozenset[str]]) -> str:
    del pattern, tree
    there = sorted({kind for found in kinds.values() for kind in found})
    return _some("this model has the roles", there)


def _told_depths(pattern: Pattern, tree: Tree, kinds: Mapping[str, frozenset[str]]) -> str:
    del pattern, tree, kinds
    return "the table of cadence.parameter_groups(model, layer_decay=1.0) shows which depths there are"


_TOLD: dict[str, Callable[[Pattern, Tree, Mapping[str, frozenset[str]]], str]] = {
    "type": _told_types,
    "role": _told_roles,
    "depth": _told_depths,
}


def _some(told: str, names: Sequence[str]) -> str:
    return f"{told} {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}"


def _listed(patterns: Iterable[Pattern]) -> str:
    return ", ".join(repr(str(p)) for p in patterns)
