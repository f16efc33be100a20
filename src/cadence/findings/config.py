"""YAML configurations of the Paddle suites: the blocks that say what the rate does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from cadence._errors import ScriptError
from cadence.findings.finding import Spot


@dataclass(frozen=True)
class Config:
    """One configuration file.

    Attributes:
        keys: its mapping.
        lines: of its source.
    """

    keys: Mapping[str, Any]
    lines: tuple[str, ...]

    def spot(self, word: str, after: str = "") -> Spot:
        """Where a key or a name stands, after the line where another one does; the first line where it does not."""
        start = 0
        if after:
            start = next((i for i, line in enumerate(self.lines) if re.search(rf"\b{re.escape(after)}\b", line)), 0)
        for number in range(start, len(self.lines)):
            line = self.lines[number]
            found = re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", line.split("#")[0])
            if found:
                return Spot(number + 1, found.start() + 1, number + 1, len(line.rstrip()) + 1)
        return Spot(1, 1, 1, 2)

    @property
    def epochs(self) -> int | None:
        """Epochs of the run."""
        places = (
            self.keys.get("epoch"),
            _under(self.keys, "Global", "epoch_num"),
            _under(self.keys, "Global", "epochs"),
        )
        return next((n for n in places if isinstance(n, int) and not isinstance(n, bool)), None)

    @property
    def detection(self) -> tuple[float | None, list[Mapping[str, Any]]] | None:
        """Base rate and schedulers of a `LearningRate:` block of PaddleDetection."""
        block = self.keys.get("LearningRate")
        if not isinstance(block, Mapping):
            return None
        inside = cast("Mapping[str, Any]", block)
        listed = inside.get("schedulers")
        schedulers = [_flat(s) for s in cast("list[Any]", listed)] if isinstance(listed, list) else []
        base = inside.get("base_lr")
        return (float(base) if isinstance(base, (int, float)) else None), [s for s in schedulers if s]

    @property
    def ocr(self) -> Mapping[str, Any] | None:
        """The `Optimizer: lr:` block of PaddleOCR and PaddleClas."""
        block = _under(self.keys, "Optimizer", "lr")
        return cast("Mapping[str, Any]", block) if isinstance(block, Mapping) else None


def _under(keys: Mapping[str, Any], *path: str) -> Any:
    here: Any = keys
    for key in path:
        here = cast("Mapping[str, Any]", here).get(key) if isinstance(here, Mapping) else None
    return here


def _flat(entry: Any) -> dict[str, Any]:
    """A scheduler as a mapping with its `name`: written as `!Name {...}`, as `name: Name`, or as `Name: {...}`."""
    if isinstance(entry, Mapping):
        keys = dict(cast("Mapping[str, Any]", entry))
        if isinstance(keys.get("name"), str):
            return keys
        if len(keys) == 1:
            (name, inside), *_ = keys.items()
            return {"name": name, **(dict(cast("Mapping[str, Any]", inside)) if isinstance(inside, Mapping) else {})}
    return {}


def _loader() -> type[Any]:
    """PyYAML's safe loader; a tag such as `!CosineDecay` becomes the mapping's name, and nothing is built."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def tagged(loader: Any, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {"name": suffix, **loader.construct_mapping(node, deep=True)}
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return {"name": suffix} if not str(node.value) else node.value

    Loader.add_multi_constructor("!", tagged)  # pyright: ignore[reportUnknownMemberType]
    # By YAML 1.1 `1e-4` is text; everybody who writes it means a number.
    Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
        "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"), list("-+0123456789")
    )
    return Loader


def read_config(text: str, name: str) -> Config:
    """Read a YAML file.

    Raises:
        ScriptError: it is no YAML, or no mapping.
    """
    import yaml

    try:
        keys: Any = yaml.load(text, _loader())  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ScriptError(
            f"{name}{where} is no YAML that can be read: {getattr(fault, 'problem', None) or fault}; repair it first"
        ) from None
    except (ValueError, RecursionError) as fault:
        raise ScriptError(f"{name} is no YAML that can be read: {fault}; repair it first") from None
    if not isinstance(keys, Mapping):
        raise ScriptError(
            f"{name} holds no mapping of keys; lint reads recipes and configurations of the Paddle suites"
        )
    return Config(cast("Mapping[str, Any]", keys), tuple(text.splitlines()))


def is_config(config: Config) -> bool:
    """Whether it has a block that lint knows."""
    return config.detection is not None or config.ocr is not None


def parts_of(config: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and keys of every scheduler in it."""
    if config.detection is not None:
        for part in config.detection[1]:
            yield str(part["name"]), part
    if config.ocr is not None and isinstance(config.ocr.get("name"), str):
        yield config.ocr["name"], config.ocr
