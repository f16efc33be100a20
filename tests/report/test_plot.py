"""One curve, or several, as text, picture, drawing and page."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.comparison.synthetic import NASTY

import cadence as cd
from cadence._errors import HorizonError, SpecError, UnknownNameError
from cadence.curve.curve import Curve
from cadence.report.axis import axis, wants_log
from cadence.report.braille import braille
from cadence.report.curves import envelope
from cadence.report.outline import outline
from cadence.report.plot import MOST_CURVES, draw, plot

COSINE = "warmup('5%') >> cosine(to=0.01)"


def curve(text: str = COSINE, total: int = 1000, base: float = 0.1) -> Curve:
    return cd.place(text, total=total, base=base)


def dots(text: str) -> np.ndarray:
    """The dots of a text plot, from the left and from above."""
    rows = [line.split("┤")[-1].split("│")[-1] for line in text.splitlines() if "┤" in line or "│" in line]
    width = max(map(len, rows))
    grid = np.zeros((4 * len(rows), 2 * width), dtype=bool)
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    for y, row in enumerate(rows):
        for x, char in enumerate(row):
            if char != " ":
                for i in range(4):
                    for j in range(2):
                        grid[4 * y + i, 2 * x + j] = bool((ord(char) - 0x2800) & bits[i][j])
    return grid


# ---- text ------------------------------------------------------------------------------------------------------------


def test_the_text_shows_the_curve_its_axes_and_what_happens() -> None:
    lines = plot(curve()).splitlines()
    assert lines[0] == COSINE
    assert lines[2].startswith("0.10 ┤")
    assert lines[17].startswith("0.00 ┤")
    assert lines[18].strip().startswith("└┬")
    assert lines[19].split() == ["0", "200", "400", "600", "800", "1000", "lr,", "update"]
    assert lines[20] == "1  update 50: warmup ends; cosine"
    assert max(map(len, lines)) <= 92


def test_the_dots_follow_the_values() -> None:
    grid = dots(plot(curve()))
    values, top = curve().values(), draw([curve()]).y.high
    assert grid.shape == (64, 140)
    for x in range(140):
        here = values[x * 1000 // 140 : max(x * 1000 // 140 + 1, (x + 1) * 1000 // 140)]
        lit = 63 - np.flatnonzero(grid[:, x])
        # A column also reaches over to its neighbour on the left.
        assert lit.min() <= round(here.max() / top * 63) <= lit.max() + 1
        assert lit.size


def test_a_peak_of_one_update_in_a_million_is_seen_everywhere(tmp_path: Path) -> None:
    spike = curve("formula('100 if t == 777777 else 1')", total=1_000_000, base=0.01)
    grid = dots(plot(spike))
    tall = np.flatnonzero(grid.sum(axis=0) > 30)
    assert 777_777 * 140 // 1_000_000 in tall
    assert len(tall) <= 2
    drawn = plot(spike, tmp_path / "spike.svg").read_text(encoding="utf-8")
    line = next(d for d in re.findall(r'd="(M[^"]+)" class="curve', drawn))
    heights = [float(y) for y in re.findall(r",([\d.]+)", line)]
    assert min(heights) < 80 < 300 < sorted(heights)[len(heights) // 2]


def test_many_short_peaks_all_keep_their_height() -> None:
    restarts = curve("cosine('100 steps').repeat()", total=100_000, base=1.0)
    shape = draw([restarts], columns=500).outlines[0]
    assert shape.high.min() == 1.0
    assert shape.low.max() < 0.001


def test_one_update_and_two_can_be_drawn() -> None:
    for total in (1, 2):
        lines = plot(curve("linear()", total=total)).splitlines()
        assert lines[0] == "linear()"
        assert "┤" in lines[1]
        labels = next(line for line in lines if line.endswith("lr, update")).split()
        assert [label for label in labels if "." in label] == []


def test_a_constant_of_zero_can_be_drawn() -> None:
    assert "0" in plot(curve("formula('0')", total=10))


def test_several_curves_have_letters_and_a_legend() -> None:
    text = plot([curve(), curve("linear()"), curve("constant()", total=500)])
    lines = text.splitlines()
    assert lines[0] == "3 schedules"
    assert lines[-3:] == [f"a  {COSINE}", "b  linear()", "c  constant()"]
    rows = [line for line in lines if "┤" in line or "│" in line]
    assert {"a", "b", "c"} <= set("".join(rows))
    # The shorter run ends in the middle.
    top = rows[0].split("┤")[1]
    assert top.rfind("c") <= 35


def test_the_title_and_the_language_can_be_chosen() -> None:
    text = plot(curve(), title="Mine", lang="zh")
    assert text.splitlines()[0] == "Mine"
    assert "更新 50" in text
    with pytest.raises(UnknownNameError, match="'de'"):
        plot(curve(), lang="de")


def test_part_of_a_run_and_a_run_without_end_can_be_drawn() -> None:
    assert "1000" not in plot(curve(), until=100)
    endless = cd.place("constant()", base=0.1)
    with pytest.raises(HorizonError, match="until=1000"):
        plot(endless)
    assert "1000" in plot(endless, until=1000)


@pytest.mark.parametrize("until", [0, -1, True, 1.5])
def test_a_picture_of_nothing_is_refused(until: int) -> None:
    with pytest.raises(HorizonError, match="at least 1 update"):
        plot(curve(), until=until)


def test_the_values_of_a_plan_are_drawn_one_at_a_time() -> None:
    both = cd.place(
        cd.plan({"lr": cd.cosine(), "weight_decay": cd.linear()}), total=100, base={"lr": 1, "weight_decay": 1}
    )
    assert plot(both).splitlines()[0] == "cosine()"
    text = plot(both, value="weight_decay")
    assert text.splitlines()[0] == "linear()"
    assert "weight_decay, update" in text
    with pytest.raises(UnknownNameError, match="weight_decay"):
        plot(both, value="weight_decy")


def test_no_curve_and_too_many_are_refused() -> None:
    for number in (0, MOST_CURVES + 1):
        with pytest.raises(SpecError, match=f"not {number}"):
            plot([curve()] * number)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.gif", "x", "x.htm", ".png"])
def test_a_file_ending_that_means_nothing_is_refused_with_those_that_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=r"\.png|\.html"):
        plot(curve(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_png_is_a_picture_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = plot(curve(), tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", first[16:24])
    assert width == 1080
    assert height > 400
    assert plot(curve(), tmp_path / "b.PNG").read_bytes() == first


def test_a_pdf_is_a_page_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = plot([curve(), curve("linear()")], tmp_path / "a.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    assert plot([curve(), curve("linear()")], tmp_path / "b.pdf").read_bytes() == first


def test_a_picture_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    plot(curve(), tmp_path / "a.png", title=NASTY)
    assert dict(matplotlib.rcParams) == before


def test_an_svg_holds_the_curve_and_its_description(tmp_path: Path) -> None:
    root = ElementTree.parse(plot(curve(), tmp_path / "a.svg", title=NASTY)).getroot()
    space = {"s": "http://www.w3.org/2000/svg"}
    assert root.get("role") == "img"
    assert root.findtext("s:title", namespaces=space) == NASTY
    assert root.findtext("s:desc", namespaces=space) == curve().describe()
    line = next(e for e in root.iterfind("s:path", space) if (e.get("class") or "").startswith("curve"))
    x, y = zip(*(map(float, p.split(",")) for p in (line.get("d") or "M")[1:].split("L")), strict=True)
    assert list(x) == sorted(x)
    # At 0.10 the curve touches the highest grid line, at the end it is nearly down.
    grid = sorted(
        float(re.findall(r",([\d.]+)H", e.get("d") or "")[0]) for e in root.iterfind("s:path[@class='grid']", space)
    )
    assert min(y) == pytest.approx(grid[0], abs=0.06)
    assert max(y) < grid[-1]


def test_a_page_loads_nothing_and_knows_the_values(tmp_path: Path) -> None:
    text = plot(curve(), tmp_path / "a.html", title=NASTY).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert not re.search(r'(src|href)="(?!#)', text)
    island = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert island is not None
    (line,) = json.loads(island[1])["sets"]["curve"]["charts"][0]["lines"]
    values = curve().values()
    for t, value in zip(line["t"], line["v"], strict=True):
        assert value == pytest.approx(values[min(t, 999)], rel=1e-4)
    assert len(text) < 200_000


def test_a_folder_that_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(cd._errors.RecordError, match="does not exist"):
        plot(curve(), tmp_path / "missing" / "a.svg")


# ---- what they are made of -------------------------------------------------------------------------------------------


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=300), most=st.integers(4, 50))
def test_an_envelope_keeps_ends_and_extremes(values: list[float], most: int) -> None:
    t, y = envelope(np.arange(len(values)), values, most)
    assert (t[0], t[-1]) == (0, len(values) - 1)
    assert (y.min(), y.max()) == (min(values), max(values))
    assert np.all(np.diff(t) > 0)
    assert len(t) <= max(most + 4, 4)
    assert [values[int(i)] for i in t] == y.tolist()


def test_an_envelope_passes_over_what_is_no_number() -> None:
    values = np.ones(1000)
    values[500], values[501] = np.nan, 7.0
    _, y = envelope(np.arange(1000), values, 20)
    assert np.nanmax(y) == 7.0
    assert envelope(np.arange(1000), np.full(1000, np.nan), 20)[1].shape[0] > 0


@given(total=st.integers(1, 400), columns=st.integers(1, 50))
def test_an_outline_bounds_the_curve_in_every_column(total: int, columns: int) -> None:
    one = curve("cosine('7 steps').repeat()", total=total, base=1.0)
    shape = outline(one, total, columns, group=None, value=None)
    values = one.values()
    edges = np.unique(np.linspace(0, total, min(columns, total) + 1).astype(int))
    for low, high, a, b in zip(shape.low, shape.high, edges[:-1], edges[1:], strict=True):
        assert (low, high) == (values[a:b].min(), values[a:b].max())
    assert (shape.t[0], shape.t[-1]) == (0, total)


def test_a_run_too_long_to_look_at_is_sampled_and_keeps_its_events() -> None:
    long = cd.place("warmup('1 step') >> steps(at=[999999999999], gamma=0.1)", total=2 * 10**12, base=1.0)
    shape = outline(long, 2 * 10**12, 10, group=None, value=None)
    assert shape.low[0] == 0.01
    # 0.1 from update 10^12 - 1 on, which is the last of the fifth column.
    assert (shape.low[4], shape.high[4]) == (0.1, 1.0)


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6))
def test_ticks_lie_on_the_axis_and_rise(low: float, width: float) -> None:
    made = axis(low, low + width)
    assert made.low <= low + 1e-9 * width
    assert made.high >= low + width - 1e-9 * width
    assert 2 <= len(made.ticks) == len(made.labels) <= 12
    assert list(made.ticks) == sorted(set(made.ticks))
    assert all(-1e-6 <= made.share(t) <= 1 + 1e-6 for t in made.ticks)


@given(low=st.floats(1e-9, 1e3), ratio=st.floats(1.5, 1e9))
def test_ticks_of_a_logarithmic_axis_are_round_and_inside(low: float, ratio: float) -> None:
    made = axis(low, low * ratio, log=True)
    assert 1 <= len(made.ticks) <= 14 or ratio < 10
    for tick, label in zip(made.ticks, made.labels, strict=True):
        assert float(label) == pytest.approx(tick)
        assert -1e-3 <= made.share(tick) <= 1.001


def test_thousands_and_millions_are_shortened() -> None:
    assert axis(0, 450_450, round_out=False).labels == ("0", "100k", "200k", "300k", "400k")
    assert axis(0, 3e6).labels == ("0", "1M", "2M", "3M")
    assert axis(0, 1000).labels == ("0", "200", "400", "600", "800", "1000")
    assert axis(0, 5e-6).labels == ("0", "1e-6", "2e-6", "3e-6", "4e-6", "5e-6")
    assert axis(0, 1, round_out=False, least_step=1).labels == ("0", "1")


def test_far_apart_is_more_than_a_factor_of_ten() -> None:
    assert not wants_log([1.0, 10.0, 0.0])
    assert wants_log([1.0, 10.1])


def test_braille_draws_each_dot_at_its_place() -> None:
    assert braille([0.0, 1.0], [0.0, 1.0], 1) == ["⡸"]  # the right column closes the gap to the left one
    assert braille([0.0, 0.0], [1.0, 1.0], 1) == ["⣿"]
    assert braille([0.0], [0.0], 2) == ["", "⡀"]
