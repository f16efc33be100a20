"""The sentences of a report: what was found, what it means, what to mind, in both languages."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.comparison.synthetic import NASTY, Entry, Run, ending_at, write_comparison

from cadence._errors import UnknownNameError
from cadence.comparison.statistics import Estimate
from cadence.comparison.summary import read_summary
from cadence.report import messages, text
from cadence.report.messages import LANGUAGES, MESSAGES, Phrases
from cadence.report.numbers import MINUS, fixed, gap_and_interval, plus_minus, probability, short, significant

pytest.importorskip("scipy")


def verdicts(root: Path, task: int = 0, lang: str = "en") -> dict[str, str]:
    summary = read_summary(root).tasks[task]
    return {recipe.name: text.verdict(summary, recipe, lang) for recipe in summary.recipes}


def test_each_recipe_gets_its_verdict_in_words(worst: Path) -> None:
    said = verdicts(worst)
    assert said["base"] == "the baseline; it ends at a validation loss of 0.517 ± 0.052."
    assert said["div"] == "1 of 3 diverged; no test is made of the runs that are left."
    assert said["fail"] == "3 of 3 failed; there is no result."
    assert said["going"] == "1 of 3 unfinished, 2 of 3 not begun; there is no result."
    assert said["same"] == "no difference at all; it ends at exactly the baseline's loss with every seed."
    assert said["nasty"] == "worse by 0.1017 (95% interval 0.0945 to 0.1088; corrected p = 0.002)."
    assert said["exact"] == "better by exactly 0.250 with every seed."
    # Significant by itself, not among seven.
    assert said["weak"].startswith("no difference shown: 0.020 lower on average, but p = 0.020 becomes 0.10 ")


def test_what_was_not_seen_comes_with_what_could_have_been(tmp_path: Path) -> None:
    base, ours = (0.50, 0.54, 0.51), (0.51, 0.53, 0.52)
    write_comparison(tmp_path, [Entry("base", ending_at(*base)), Entry("ours", ending_at(*ours))])
    assert verdicts(tmp_path)["ours"] == "no difference seen; these 3 seeds could have shown a gap of 0.038 or more."
    assert verdicts(tmp_path, lang="zh")["ours"] == "未见差异；这 3 个种子能检出 0.038 或更大的差距。"


def test_better_is_said_with_its_interval_in_rising_order(tmp_path: Path) -> None:
    base, ours = (0.50, 0.54, 0.51), (0.40, 0.45, 0.41)
    write_comparison(tmp_path, [Entry("base", ending_at(*base)), Entry("ours", ending_at(*ours))])
    said = re.fullmatch(
        r"better by ([\d.]+) \(95% interval ([\d.]+) to ([\d.]+); corrected p = [\d.]+\)\.", verdicts(tmp_path)["ours"]
    )
    assert said is not None
    gap, low, high = map(float, said.groups())
    assert 0 < low < gap < high
    assert gap == pytest.approx(0.0967, abs=5e-4)


def test_the_conclusion_of_small_gaps_is_that_none_was_seen(showcase: Path) -> None:
    task = read_summary(showcase).tasks[0]
    assert text.conclusion(task).startswith(
        "No difference seen: with 3 seeds none of the 3 recipes can be told from the baseline SGD + StepLR. "
        "A gap in validation loss of 0.0097 to 0.019 or more, depending on the recipe, would have shown."
    )


def test_the_conclusion_of_large_gaps_names_them_largest_first(showcase: Path) -> None:
    task = read_summary(showcase).tasks[1]
    assert text.conclusion(task) == (
        "3 of 3 recipes end at a lower validation loss than the baseline SGD + StepLR: "
        "AdamW + warmup + cosine by 0.301; AdamW by 0.249; LAMB + warmup + cosine by 0.159. "
        "The baseline's final loss is reached soonest by AdamW + warmup + cosine: 105 of 300 updates."
    )


@pytest.mark.parametrize(
    ("task", "begins"),
    [
        (1, "One seed tells nothing about chance"),
        (2, "The baseline a has no complete result (1 of 3 failed), so nothing is compared with it."),
        (3, "There is one recipe"),
        (4, "The baseline a has no complete result (3 of 3 failed)"),
    ],
)
def test_where_nothing_can_be_concluded_it_says_why(worst: Path, task: int, begins: str) -> None:
    assert text.conclusion(read_summary(worst).tasks[task]).startswith(begins)


def test_what_was_not_tested_is_named_with_the_reason(worst: Path) -> None:
    said = text.conclusion(read_summary(worst).tasks[0])
    assert "Not tested: Diverging (1 of 3 diverged); Failing (3 of 3 failed)" in said


def test_the_method_states_seeds_intervals_budget_and_convergence(showcase: Path) -> None:
    said = "\n".join(text.method(read_summary(showcase)))
    assert "digits: 0, 1, 2; bytes: 0, 1, 2, 3, 4" in said
    assert "95% interval of the mean over seeds (Student's t)" in said
    assert "The baseline is SGD + StepLR." in said
    assert "Holm's correction for 3 comparisons per data set" in said
    assert (
        "Every recipe got the same tuning budget: 3 base learning rates, a factor 3 apart, one run each with "
        "seed 1000, judged on a split of the data that is not the reported one."
    ) in said
    assert "first at or below the final validation loss of the baseline with the same seed" in said
    assert "every 23 updates on digits, every 25 updates on bytes" in said
    assert said.endswith("The source article's AdamW row names no schedule; a constant rate is our reading.")


def test_only_what_is_true_of_a_comparison_is_said_of_it(tmp_path: Path) -> None:
    write_comparison(tmp_path, [Entry("mine", ending_at(0.5, 0.6)), Entry("yours", ending_at(0.5, 0.5))], seeds=[0, 1])
    said = "\n".join(text.method(read_summary(tmp_path)))
    assert "No learning rate was tuned" in said
    assert "for 1 comparison per data set" in said
    assert "article's" not in said
    assert "StepLR" not in said


def test_unequal_budgets_are_told_and_not_called_equal(worst: Path) -> None:
    summary = read_summary(worst)
    said = "\n".join(text.method(summary))
    assert "On worst: The tuning budgets differ: base 3 rates; Diverging 3 rates; Failing 0 rates" in said
    assert "Every recipe got the same tuning budget" not in said
    assert any("did not get the same tuning budget" in warning for warning in text.warnings(summary))


def test_a_rate_at_the_edge_of_the_grid_is_a_warning(showcase: Path) -> None:
    assert text.warnings(read_summary(showcase)) == [
        "On bytes, the tuned rate of LAMB + warmup + cosine (0.03*) is the highest of those tried; "
        "a better one may lie above."
    ]


def test_runs_of_different_lengths_are_a_warning(tmp_path: Path) -> None:
    def longer(seed: int) -> Run:
        return Run({600: 0.4}, total=600)

    write_comparison(tmp_path, [Entry("a", ending_at(0.5, 0.5, 0.5)), Entry("b", longer)])
    assert text.warnings(read_summary(tmp_path)) == [
        "On digits, the recipes run for different numbers of updates (300 to 600); the longer have more time."
    ]


def test_the_environment_names_versions_machine_data_and_command(showcase: Path) -> None:
    lines = dict(text.environment(read_summary(showcase)))
    assert lines["Command"] == "cadence compare"
    assert "torch 2.13.0" in lines["Packages"]
    assert lines["Machine"].endswith("2 CPUs, H200, trained on cuda, 1 thread per run")
    assert lines["Source"] == "0123456789ab"
    assert "sha256:" + "ab" * 32 in lines["Data"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sentence_can_be_said_of_the_worst_comparison(worst: Path, lang: str) -> None:
    summary = read_summary(worst)
    said = [*text.method(summary, lang), *text.warnings(summary, lang)]
    for task in summary.tasks:
        said.append(text.conclusion(task, lang))
        said += [text.verdict(task, recipe, lang) for recipe in task.recipes]
    # A name is never taken for a format: it comes through as it is.
    assert any(NASTY in sentence for sentence in said)
    assert all(sentence and "{gap}" not in sentence for sentence in said)
    if lang == "zh":
        assert all(re.search(r"[\u4e00-\u9fff]", sentence) for sentence in said if sentence != NASTY)


# ---- the table of messages -------------------------------------------------------------------------------------------


def test_every_message_is_there_in_every_language_with_the_same_values() -> None:
    for key, texts in MESSAGES.items():
        assert set(texts) == set(LANGUAGES), key
        fields = {lang: {name for _, name, _, _ in string.Formatter().parse(t) if name} for lang, t in texts.items()}
        assert fields["en"] == fields["zh"], key


def test_chinese_is_written_in_chinese_punctuation() -> None:
    for key, texts in MESSAGES.items():
        # A comma, colon or bracket of the other width between Chinese letters looks like a slip.
        assert not re.search(r"[\u4e00-\u9fff][,;:()]|[,;:(][\u4e00-\u9fff]", texts["zh"]), key


def test_no_message_is_kept_that_nobody_says() -> None:
    package = Path(messages.__file__).parent
    said: set[str] = set()
    begun: set[str] = set()
    for path in package.rglob("*.py"):
        if path.name == "messages.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
    # Verdicts and statuses come out of the data.
    said |= {
        "baseline",
        "better",
        "worse",
        "no_difference",
        "not_significant_after_correction",
        "identical",
        "one_seed",
    }
    said |= {"diverged", "failed", "unfinished", "missing", "finished", "stopped", "baseline_incomplete", "accuracy"}
    said |= {"bits_per_byte"}
    keys = {key.removesuffix(".one") for key in MESSAGES}
    unsaid = {key for key in keys - said if not any(prefix and key.startswith(prefix) for prefix in begun)}
    assert unsaid == set()


def test_another_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="en, zh"):
        Phrases("de")


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_carry_the_digits_that_are_known() -> None:
    assert plus_minus(Estimate(3, 0.0567, 0.1, 0.0410, 0.0724)) == "0.057 ± 0.016"
    assert plus_minus(Estimate(3, 0.98182, 0.1, 0.97972, 0.98392), 100) == "98.18 ± 0.21"
    assert plus_minus(Estimate(3, 212.3, 1.0, 182.0, 242.6)) == "212 ± 30"
    assert plus_minus(Estimate(3, 2.5, 0.0, 2.5, 2.5)) == "2.500 ± 0"
    assert gap_and_interval(Estimate(3, 0.12, 1.0, 0.09, 0.15)) == ("0.120", "0.090", "0.150")
    assert [probability(p) for p in (0.0, 0.0009, 0.001, 0.0499, 0.05, 1.0)] == [
        "< 0.001", "< 0.001", "0.001", "0.050", "0.050", "1.00",
    ]  # fmt: skip


@given(x=st.floats(-1e12, 1e12), digits=st.integers(1, 6))
def test_significant_digits_read_back_to_the_number_they_round(x: float, digits: int) -> None:
    read = float(significant(x, digits).replace(MINUS, "-"))
    assert read == pytest.approx(x, rel=0.51 * 10 ** (1 - digits), abs=1e-300)


@given(x=st.floats(-1e6, 1e6), decimals=st.integers(0, 8))
def test_there_is_no_negative_zero(x: float, decimals: int) -> None:
    written = fixed(x, decimals)
    assert not (written.startswith(MINUS) and float(written[1:]) == 0)


@given(x=st.floats(1e-12, 1e12))
def test_a_short_number_reads_back_to_three_digits(x: float) -> None:
    assert float(short(x)) == pytest.approx(x, rel=0.0051)
