"""Lines that are read many at once hold what python's own reader finds in each."""

from __future__ import annotations

import json
import math
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadence.diagnosis.reading.decimals import PADDING, Text, decimals, numbers_at
from cadence.diagnosis.reading.json_lines import BLOCK, JsonRows, flat
from cadence.diagnosis.reading.numbers import MISSING, number_of
from cadence.diagnosis.reading.roles import role_of
from strategies import examples


def read(tokens: list[str]) -> tuple[Any, Any, Any]:
    """What `numbers_at` and `decimals` make of them."""
    text = Text(",".join(tokens).encode())
    sizes = np.array([len(token) for token in tokens])
    ends = len(PADDING) + np.cumsum(sizes + 1) - 1
    return numbers_at(text, ends - sizes, ends), *decimals(text, ends - sizes, ends)


# ---- numbers ---------------------------------------------------------------------------------------------------------

digits = st.text("0123456789", min_size=1, max_size=24)
whole = st.one_of(st.just("0"), st.from_regex(r"[1-9][0-9]{0,19}", fullmatch=True))
fraction = st.one_of(st.just(""), digits.map(lambda x: f".{x}"))
exponent = st.one_of(st.just(""), st.from_regex(r"[eE][+-]?[0-9]{1,3}", fullmatch=True))
spelled = st.builds(lambda *parts: "".join(parts), st.sampled_from(["", "-"]), whole, fraction, exponent)
written = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(1e-9, 1e3).map(repr),
    st.floats(1e-9, 1e3).map(lambda x: f"{x:.6g}"),
    st.integers(-(10**18), 10**18).map(str),
    spelled,
)


@settings(examples(100), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(written, min_size=1, max_size=40))
def test_numbers_that_are_read_at_once_are_the_nearest_doubles(tokens: list[str]) -> None:
    found, values, sure = read(tokens)
    expected = np.array([float(token) for token in tokens])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(values[sure], expected[sure])


def test_digits_of_every_number_before_and_behind_the_point() -> None:
    rng = np.random.default_rng(3)
    tokens = []
    for before in range(1, 20):
        for after in range(26):
            for zeros in (0, 1, 5, after):
                whole = (
                    "0"
                    if rng.random() < 0.3
                    else f"{rng.integers(1, 10)}" + "".join(map(str, rng.integers(0, 10, before - 1)))
                )
                behind = ("0" * zeros + "".join(map(str, rng.integers(0, 10, after))))[:after]
                tokens.append(whole + (f".{behind}" if behind else "") + rng.choice(["", "", "e-05", "E+12", "e-40"]))
    found, values, sure = read(tokens)
    expected = np.array([float(token) for token in tokens])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(values[sure], expected[sure])
    assert sure.mean() > 0.3


def nearly_middles(places: int) -> list[int]:
    """Integers below 10 ** 18 that, divided by 10 ** places, nearly lie in the middle of two doubles.

    m / 10 ** places is nearly (2 j + 1) 2 ** e where m / (2 j + 1) is a good approximation of 10 ** places 2 ** e: one of
    its continued fraction.
    """
    found: list[int] = []
    for size in range(8):
        ratio = Fraction(10**places) / 2 ** (10**places).bit_length() * 2**size
        (p, q), (p_before, q_before), rest = (int(ratio), 1), (1, 0), ratio - int(ratio)
        while rest and q < 2**54:
            term = int(1 / rest)
            some = [(p_before + k * p, q_before + k * q) for k in {1, 2, term - 1, term} if 1 <= k <= term]
            found += [m for m, middle in some if 2**53 < middle < 2**54 and middle % 2 and m < 10**18]
            (p, q), (p_before, q_before), rest = (p_before + term * p, q_before + term * q), (p, q), 1 / rest - term
    return found


def test_the_last_bit_is_right_where_a_number_nearly_lies_in_the_middle_of_two() -> None:
    cases = [(m, places) for places in range(1, 45) for m in nearly_middles(places)]
    tokens = [f"{m // 10**16}.{m % 10**16:016d}e{16 - places:+03d}" for m, places in cases if places >= 16]
    tokens += [f"{m // 10**places}.{m % 10**places:0{places}d}" for m, places in cases if places < 16]
    tokens += [f"{x}.5" for x in range(2**52, 2**52 + 9)] + [f"{x}" for x in range(2**53, 2**53 + 9)]
    assert len(tokens) > 100
    found, values, sure = read(tokens)
    expected = np.array([float(token) for token in tokens])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(values[sure], expected[sure])
    # These are what python is asked for.
    assert not sure.all()


def test_most_numbers_of_logs_are_read_at_once() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=20_000) * 10.0 ** rng.integers(-12, 6, 20_000)
    for tokens in (
        [repr(x) for x in values.tolist()],
        [f"{x:.6f}" for x in values.tolist()],
        [str(k) for k in range(20_000)],
    ):
        found, _, sure = read(tokens)
        np.testing.assert_array_equal(found, [float(token) for token in tokens])
        assert sure.mean() > 0.99


@pytest.mark.parametrize("token", ["", "01", "1.", ".5", "+1", "1e", "0x1f", "1_0", "--1", "true", "nul", "1 2", "é"])
def test_what_is_no_number_is_not_read(token: str) -> None:
    assert read(["1.5", token, "2"])[0] is None


def test_words_for_what_is_no_number() -> None:
    found, _, _ = read(["null", "NaN", "Infinity", "-Infinity", "0.25", "-0.0"])
    np.testing.assert_array_equal(found, [MISSING, math.nan, math.inf, -math.inf, 0.25, -0.0])


# ---- lines -----------------------------------------------------------------------------------------------------------

NAMES = ("step", "loss", "lr", "grad_norm", "note, really", "val_loss", 'a "b"', "epoch")
values = st.one_of(
    st.floats(1e-9, 1e3), st.integers(-5, 10**7), st.floats(), st.none(), st.sampled_from(["NaN", "Infinity", "sgd", "1.5"]),
    st.booleans(), st.lists(st.floats(0, 1), max_size=3), st.dictionaries(st.sampled_from("ab"), st.floats(0, 1), max_size=2),
)  # fmt: skip
numbers = st.one_of(st.floats(1e-9, 1e3), st.integers(0, 10**7))


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Lines of a program: most are spelled alike, some are anything."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    separators = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,", " : ")]))
    listed = draw(st.booleans())
    found: list[str] = []
    for _ in range(draw(st.integers(1, 12))):
        row: dict[str, Any] = {name: draw(numbers) for name in names}
        if listed:
            row[names[-1]] = [row[names[-1]], draw(numbers)]
        odd = draw(st.integers(0, 19))
        if odd == 0:
            row = dict(reversed(row.items()))
        elif odd == 1:
            row[draw(st.sampled_from(NAMES))] = draw(values)
        elif odd == 2:
            row.pop(names[0])
        elif odd == 3:
            row[names[0]] = draw(values)
        text = json.dumps(row, separators=separators)
        if odd == 4:
            text = draw(
                st.sampled_from(["", "  ", text[:-1], text.replace(":", "", 1), "[1, 2]", "null", text + "}", text[1:]])
            )
        elif odd == 5:
            text = draw(
                st.sampled_from(
                    [
                        f"  {text}",
                        text.replace(" ", "   "),
                        text.replace("]", "}"),
                        f"{text}\r",
                        text.replace("1", "01"),
                    ]
                )
            )
        found.append(text)
    return found


def expected(texts: list[str]) -> list[dict[str, float]]:
    """Each line by python's own reader; the columns that a diagnosis looks at."""
    rows: list[dict[str, float]] = []
    for text in texts:
        try:
            row = json.loads(text)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append({name: as_number(x) for name, x in flat(row).items() if role_of(name).name})
    return rows


def as_number(x: Any) -> float:
    if isinstance(x, str):
        found = number_of(x)
        return MISSING if found is None else found
    return MISSING if x is None else float(x)


def chunks(texts: list[str]) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_text("\n".join(texts), encoding="utf-8", newline="")
        return list(JsonRows(path, {}).chunks())


def assert_same(texts: list[str]) -> None:
    wanted = expected(texts)
    if not wanted:
        return
    found = chunks(texts)
    assert sum(chunk.count for chunk in found) == len(wanted)
    for name in {name for row in wanted for name in row}:
        column = np.concatenate([c.columns.get(name, np.full(c.count, MISSING)) for c in found])
        np.testing.assert_array_equal(column, [row.get(name, MISSING) for row in wanted])


@settings(examples(200), suppress_health_check=[HealthCheck.too_slow])
@given(lines())
def test_lines_hold_what_pythons_own_reader_finds(texts: list[str]) -> None:
    assert_same(texts)


def test_so_do_lines_over_the_borders_of_blocks() -> None:
    rng = np.random.default_rng(2)
    plain = [
        json.dumps({"step": t, "loss": float(x), "lr": [1e-3 / (t + 1)], "note": 1})
        for t, x in enumerate(rng.normal(size=40_000))
    ]
    size = sum(len(line) + 1 for line in plain)
    assert size > 2 * BLOCK
    assert_same(plain)
    some = rng.choice(len(plain), 60, replace=False).tolist()
    for i, k in enumerate(some):
        plain[k] = ['{"step": 1, "val_loss": null}', "{broken", '{"step": 3, "loss": "NaN", "lr": [0.5], "note": 1}'][
            i % 3
        ]
    assert_same(plain)


def test_a_list_that_is_longer_in_one_line_does_not_move_the_numbers_of_others() -> None:
    rows = [{"step": t, "lr": [0.1 * t, 0.2], "loss": 1.0 / (t + 1)} for t in range(50)]
    rows[7]["lr"] = [0.5, 0.6, 0.7]
    rows[8]["lr"] = [0.5]
    assert_same([json.dumps(row) for row in rows])


def test_one_wrong_bracket_is_one_line_that_is_left_out() -> None:
    texts = [json.dumps({"step": t, "lr": [0.1 * t], "loss": 1.0 / (t + 1)}) for t in range(50)]
    texts[7] = texts[7].replace("]", "}")
    assert_same(texts)
    assert sum(chunk.count for chunk in chunks(texts)) == 49
    texts[20] = texts[20].replace('"loss"', '"Loss"')
    assert_same(texts)
