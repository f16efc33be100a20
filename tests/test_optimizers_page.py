"""docs/optimizers.md is what the rules say, and its rows name what there is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from cadence.optim.rules.found import rules
from cadence.optim.rules.peers import PEERS

ROOT = Path(__file__).parents[1]

# tools/ is no package, because it is not installed: the script is loaded from where it stands.
_spec = importlib.util.spec_from_file_location("optimizers_page", ROOT / "tools" / "optimizers.py")
assert _spec is not None
assert _spec.loader is not None
script: Any = importlib.util.module_from_spec(_spec)
sys.modules["optimizers_page"] = script
_spec.loader.exec_module(script)


def test_the_page_is_up_to_date() -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: python tools/optimizers.py"


@pytest.mark.parametrize("name", rules())
def test_every_method_has_formula_source_settings_and_peers(name: str) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert "\n    x = " in section
    assert "*Source*: " in section
    for setting in rules()[name].settings:
        assert f"| `{setting.name}` | `{setting.default!r}` | {setting.range} |" in section
    for peer in PEERS:
        assert (f"| `{peer.name}` |" in section) == (peer.method == name)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.method}-{peer.name}")
def test_peers_name_methods_and_settings_that_there_are(peer: Any) -> None:
    known = {setting.name: setting for setting in rules()[peer.method].settings}
    for settings in (peer.settings or {}, *peer.options.values()):
        for key, value in settings.items():
            known[key].check(value, peer.method)


@pytest.mark.parametrize("name", rules())
def test_the_class_says_what_each_setting_is_in_the_order_of_its_signature(name: str) -> None:
    pytest.importorskip("torch")
    from optim_cases import method

    made = method(name)
    told = [
        line.split(":")[0].strip() for line in made.__doc__.splitlines() if line.startswith("        ") and ":" in line
    ]
    wanted = [setting.name for setting in rules()[name].settings]
    assert [key for key in told if key in wanted] == wanted
