"""Recipes as YAML text."""

# PyYAML has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from cadence.recipe.reading import scalars


class _Top(dict[str, Any]):
    """The mapping whose keys stand one below the other, however short."""


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes wherever YAML 1.1 or 1.2 would take it for something else: `no` and `1e-3` alike."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [*scalars.get(first, []), *yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])]
        for first in {*scalars, *yaml.SafeDumper.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Top, lambda dumper, keys: dumper.represent_mapping("tag:yaml.org,2002:map", keys.items(), flow_style=False)
)


def to_yaml(keys: dict[str, Any]) -> str:
    """YAML in the order of the keys; lists and mappings of plain values on one line."""
    return yaml.dump(_Top(keys), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=92, default_flow_style=None)
