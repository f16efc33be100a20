"""Bad input: one sentence with the value and the remedy, of a class that tells what kind of fault it is, before a run starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import cadence as cd
from cadence._errors import CadenceError, HorizonError, SpecError, UnknownNameError

NAN, INF = float("nan"), float("inf")

Case = tuple[Callable[[], Any], type[CadenceError], tuple[str, ...]]

RUN: dict[str, Any] = {"total": 100}


def place(text: str, **run: Any) -> Any:
    return cd.place(text, **(run or RUN))


CASES: dict[str, Case] = {
    # Unknown names list their neighbours.
    "an unknown schedule": (lambda: cd.parse("cosin()"), UnknownNameError, ("'cosin'", "did you mean 'cosine'?")),
    "a schedule like none": (lambda: cd.parse("zzz()"), UnknownNameError, ("'zzz'", "known are: ", "warmup")),
    "an unknown shape": (lambda: cd.warmup(shape="1-sqr"), UnknownNameError, ("'1-sqr'", "did you mean '1-sqrt'?")),
    "an unknown method": (lambda: cd.parse("cosine().repat()"), UnknownNameError, ("'repat'", "did you mean 'repeat'?")),
    "an unknown argument": (lambda: cd.cosine(too=0.1), UnknownNameError, ("'too'", "did you mean 'to'?")),
    "an unknown argument in text": (lambda: cd.parse("steps(at=[5], gama=0.5)"), UnknownNameError, ("'gama'", "'gamma'")),
    "an unknown argument of a method": (lambda: cd.parse("cosine().clip(low=0)"), UnknownNameError, ("'low'", "'lo'")),
    "an unknown end": (lambda: cd.cosine(ends="close"), UnknownNameError, ("'close'", "'closed'")),
    "an unknown past_end": (lambda: cd.cosine().past_end("miror"), UnknownNameError, ("'miror'", "'mirror'")),
    "an unknown mode": (lambda: cd.plateau("val_loss", mode="minn"), UnknownNameError, ("'minn'", "'min'")),
    "an unknown name in a formula": (lambda: cd.formula("1 - epochs / 9"), UnknownNameError, ("'epochs'", "'epoch'")),
    "an unknown function in a formula": (lambda: cd.formula("squrt(t)"), UnknownNameError, ("'squrt'", "'sqrt'")),
    "an unknown value of a curve": (lambda: place("cosine()").at(3, value="momentum"), UnknownNameError, ("'momentum'", "lr")),
    "an unknown group of a curve": (
        lambda: place("cosine()", total=5, groups=["head"]).at(3, group="haed"), UnknownNameError, ("'haed'", "'head'"),
    ),
    "a group beyond the last": (lambda: place("cosine()").at(3, group=2), UnknownNameError, ("group 2", "there are 1")),
    # Lengths.
    "a warmup longer than the run": (
        lambda: place("warmup(500) >> cosine()"), HorizonError, ("warmup of 500 updates", "run of 100 updates", "shorten it", "'3%'"),
    ),
    "a warmup alone longer than the run": (lambda: place("warmup(500)"), HorizonError, ("500", "100", "shorten it")),
    "a warmup that outlasts the run where it stands": (
        lambda: place("constant(50) >> warmup(60)"), HorizonError, ("110 updates", "has 100", "warmup(60)", "shorten"),
    ),
    "phases longer than the run": (
        lambda: place("cosine(60) >> linear(70) >> constant()"), HorizonError, ("130 updates", "100", "linear(70)", "shorten"),
    ),
    "a phase behind the end of the run": (
        lambda: place("cosine(200) >> linear(10)"), HorizonError, ("linear(10)", "update 200", "100 updates", "shorten"),
    ),
    "a negative length": (lambda: cd.cosine(-5), SpecError, ("-5 is negative", "write 0 or more")),
    "a negative share": (lambda: cd.cosine("-5%"), SpecError, ("'-5%' is negative", "write 0 or more")),
    "a fraction of an update": (lambda: cd.cosine(2.5), SpecError, ("2.5", "'2.5 epochs'")),
    "a share as a float": (lambda: cd.warmup(0.05), SpecError, ("length of warmup of 0.05", "write '5%'")),
    "a length that is no number": (lambda: cd.cosine(NAN), SpecError, ("nan", "e.g. 500", "'8 epochs'")),
    "a length without end": (lambda: cd.cosine(INF), SpecError, ("inf", "e.g. 500")),
    "a length without a unit": (lambda: cd.cosine("8"), SpecError, ("'8'", "no unit", "'8 epochs'")),
    "a length in an unknown unit": (lambda: cd.cosine("8 epocs"), SpecError, ("'8 epocs'", "did you mean 'epoch")),
    "a length in words": (lambda: cd.cosine("eight epochs"), SpecError, ("'eight epochs'", "write e.g. 500")),
    "a length that is True": (lambda: cd.cosine(True), SpecError, ("True", "a number of updates or text with a unit")),
    "a length longer than any run": (lambda: cd.cosine("1e16 tokens"), SpecError, ("'1e16 tokens'", "the most is 1e15")),
    "a length of 1e999": (lambda: cd.cosine("1e999 epochs"), SpecError, ("'1e999 epochs'", "longer than any run")),
    "a length of 1e-999": (lambda: cd.cosine("1e-999 epochs"), SpecError, ("'1e-999 epochs'", "finer", "at most 40 decimals")),
    "a length of nothing": (lambda: place("cosine(0)"), HorizonError, ("cosine(0)", "length of 0", "at least one update")),
    "epochs without their length": (
        lambda: place("warmup('5 epochs') >> cosine()"), HorizonError, ("'5 epochs'", "write steps_per_epoch=len(loader)"),
    ),
    "samples without a batch size": (lambda: place("cosine('5e4 samples')"), HorizonError, ("'50000 samples'", "batch_size=64")),
    "tokens without a context": (lambda: place("cosine('2e9 tokens')"), HorizonError, ("'2000000000 tokens'", "tokens_per_step=")),
    "a total in epochs without their length": (lambda: place("cosine()", total="90 epochs"), HorizonError, ("'90 epochs'", "steps_per_epoch=")),
    "a share of an unknown run": (lambda: cd.place("warmup('5%') >> constant()"), HorizonError, ("warmup('5%')", "give total=")),
    "a position that is a share of an unknown run": (lambda: cd.place("steps(at=['50%'])"), HorizonError, ("'50%'", "give total=")),
    "a milestone in epochs without their length": (lambda: cd.place("steps(at=['5 epochs'])"), HorizonError, ("'5 epochs'", "steps_per_epoch=")),
    "an open phase in an unknown run": (lambda: cd.place("cosine()"), HorizonError, ("cosine()", "give total=", "give it a length")),
    "an open phase before others in an unknown run": (
        lambda: cd.place("constant() >> decay(10)"), HorizonError, ("constant()", "depends on the length of the run", "give total="),
    ),
    "two open phases": (lambda: cd.cosine() >> cd.linear(), SpecError, ("cosine()", "linear()", "only one phase", "'30%'")),
    "two open phases in text": (lambda: cd.parse("warmup() >> cosine()"), SpecError, ("warmup()", "both have no length", "'30%'")),
    "two open phases inside others": (
        lambda: place("constant() * 0.5 >> linear()"), SpecError, ("both have no length", "give the other a length"),
    ),
    "a product of two lengths": (lambda: place("cosine(5) * linear(6)"), HorizonError, ("cosine(5)", "linear(6)", "give them one length")),
    "a total of nothing": (lambda: place("cosine()", total=0), HorizonError, ("total=0", "at least 1")),
    "a total below one update": (
        lambda: place("cosine()", total="3 samples", batch_size=64), HorizonError, ("'3 samples'", "0 updates", "at least 1"),
    ),
    "a total in percent": (lambda: place("cosine()", total="50%"), HorizonError, ("50%", "of what", "steps, epochs, samples or tokens")),
    "a negative total": (lambda: place("cosine()", total=-5), SpecError, ("-5", "write 0 or more")),
    "an epoch without updates": (lambda: place("cosine()", total=5, steps_per_epoch=0), HorizonError, ("steps_per_epoch is 0", "at least 1")),
    "half a batch": (lambda: place("cosine()", total=5, batch_size=2.5), HorizonError, ("2.5", "whole number of at least 1")),
    # Values.
    "a value that is no number": (lambda: cd.cosine(to=NAN), SpecError, ("to of cosine", "nan", "finite")),
    "an infinite value": (lambda: cd.absolute(INF), SpecError, ("inf", "finite")),
    "a negative value": (lambda: cd.cosine(to=-0.1), SpecError, ("to of cosine is -0.1", "at least 0")),
    "a value in text": (lambda: cd.cosine(to="0.1"), SpecError, ("to of cosine is a number", "'0.1'")),
    "a value that is None": (lambda: cd.warmup(start=None), SpecError, ("start of warmup is a number", "None")),
    "a value that is True": (lambda: cd.constant(start=True), SpecError, ("start of constant is a number", "True")),
    "a value that becomes negative": (
        lambda: place("formula('1 - t * 0.018')"), SpecError, ("lr = -0.008 at update 56", "at least 0", ".clip(0)"),
    ),
    "a value that becomes infinite": (lambda: place("formula('1 / t')"), SpecError, ("lr = inf at update 0", "finite")),
    "a value that becomes no number": (lambda: place("formula('log(t - 5)')"), SpecError, ("lr = nan at update 0", "finite")),
    "values that grow beyond all": (lambda: place("exponential(gamma=1e9)"), SpecError, ("lr = inf at update", "finite")),
    "an exponential to 0": (lambda: cd.exponential(to=0), SpecError, ("never reaches 0", "to=1e-4")),
    "an exponential from where the one before ended at 0": (
        lambda: place("linear(10) >> decay(shape='exponential', to=0.1)"), SpecError, ("from 0 to 0.1", "above 0", "another shape"),
    ),
    "waypoints at 0 joined by a ratio": (
        lambda: cd.piecewise([(0, 1), (5, cd.absolute(0))], shape="exponential"), SpecError, ("'exponential'", "above 0"),
    ),
    "limits the wrong way round": (lambda: cd.cosine().clip(1, 0.5), SpecError, ("lower limit 1", "upper limit 0.5", "exchange")),
    "limits the wrong way round at this base": (
        lambda: cd.place(cd.cosine().clip(cd.absolute(0.5), 0.5), total=10, base=0.1), SpecError, ("0.5", "0.05", "base of 0.1"),
    ),
    "no limits": (lambda: cd.cosine().clip(), SpecError, (".clip(0.01)",)),
    "two absolute factors": (
        lambda: place("constant(start=absolute(1)) * constant(start=absolute(2))"), SpecError, ("absolute(1)", "absolute(2)", "relative"),
    ),
    "a negative base": (lambda: place("cosine()", total=9, base=-1), SpecError, ("base of lr is -1", "at least 0")),
    "a base that is no number": (lambda: place("cosine()", total=9, base=NAN), SpecError, ("base of lr", "nan")),
    "too few bases": (
        lambda: place("cosine()", total=9, base=[0.1, 0.2], groups=["a", "b", "c"]), SpecError, ("2 numbers", "3 parameter groups"),
    ),
    "a base of another value": (lambda: place("cosine()", total=9, base={"wd": 1}), SpecError, ("'lr'", "base={'lr': ...}")),
    # Steps, cycles, waypoints, rules.
    "steps without positions": (lambda: cd.steps(), SpecError, ("at=['30 epochs', '60 epochs']", "every='30 epochs'")),
    "steps at both": (lambda: cd.steps(at=[5], every=3), SpecError, ("at=", "every=")),
    "one position that is no list": (lambda: cd.steps(at="5 epochs"), SpecError, ("at=['5 epochs']",)),
    "a negative gamma": (lambda: cd.steps(at=[1], gamma=-1), SpecError, ("gamma of steps is -1", "at least 0")),
    "steps every nothing": (lambda: cd.steps(every=0), SpecError, ("every of steps is 0", "above 0")),
    "an exponential with two ratios": (
        lambda: cd.exponential(to=0.1, gamma=0.5), SpecError, ("exactly one of to", "gamma", "half_life", "exponential(to=0.01)"),
    ),
    "repeating nothing": (lambda: cd.cosine(5).repeat(0), SpecError, ("0 times", "write 1 to 1e9")),
    "repeating half": (lambda: cd.cosine(5).repeat(1.5), SpecError, ("1.5", "whole number")),
    "repeating what has no length": (lambda: place("cosine().repeat()"), SpecError, ("cosine().repeat()", "cosine('10 epochs').repeat()")),
    "repeating what has a length of 0": (lambda: place("cosine(0).repeat()"), SpecError, ("no length", "at least one update")),
    "shares that fill more than a cycle": (
        lambda: place("(warmup('60%') >> cosine('60%') >> linear(5)).repeat()"), HorizonError, ("120%", "fixed lengths besides", "leave room"),
    ),
    "repeating a rule": (
        lambda: (cd.constant(5) * cd.plateau("val_loss")).repeat(), SpecError, ("plateau('val_loss')", "put it after repeat"),
    ),
    "stretching to nothing": (lambda: cd.cosine().stretch(0), SpecError, ("stretch is 0", "at least 1e-12")),
    "stairs of a share": (lambda: cd.cosine().staircase("5%"), SpecError, ("5%", "steps, epochs, samples or tokens")),
    "no waypoints": (lambda: cd.piecewise([]), SpecError, ("no points", "piecewise([(0, 1)")),
    "waypoints that are no pairs": (lambda: cd.piecewise([(0, 1, 2)]), SpecError, ("(0, 1, 2)", "a pair (position, value)")),
    "waypoints that fall back": (lambda: place("piecewise([(10, 1), (5, 0.1)])"), HorizonError, ("10", "5", "must rise")),
    "falling peaks to an absolute floor": (
        lambda: cd.restarts(10, decay=0.5, to=cd.absolute(0.1)), SpecError, ("absolute(0.1)", "a multiple of the base"),
    ),
    "a cycle in four phases": (lambda: cd.one_cycle(phases=4), SpecError, ("2 or 3 phases, not 4",)),
    "a metric whose direction is not in its name": (lambda: cd.plateau("score"), SpecError, ("'score'", "mode='min' or mode='max'")),
    "a cut that is none": (lambda: cd.plateau("val_loss", factor=1.5), SpecError, ("1.5", "e.g. 0.5")),
    "a rule alone": (lambda: place("plateau('val_loss')"), SpecError, ("a rule stands in a product", "constant() * plateau('val_loss')")),
    "a rule as a phase": (lambda: place("warmup(5) >> plateau('val_loss')"), SpecError, ("write constant() * plateau('val_loss')",)),
    "rules and nothing else": (
        lambda: cd.place(cd.plateau("val_loss") * cd.early_stop("val_loss"), total=9), SpecError, ("nothing they act on", "constant() *"),
    ),
    # Formulas.
    "a formula that runs code": (lambda: cd.formula("__import__('os')"), UnknownNameError, ("'__import__'", "known are")),
    "a formula with an attribute": (lambda: cd.formula("t.real"), SpecError, ("'t.real'", "not allowed", "sqrt")),
    "a formula that stops": (lambda: cd.formula("t +"), SpecError, ("'t +'", "cannot be read")),
    "a formula with too few values": (lambda: cd.formula("max(1)"), SpecError, ("max takes 2 to 9 values, not 1",)),
    "a formula in epochs without their length": (lambda: place("formula('epoch')"), HorizonError, ("steps_per_epoch=len(loader)",)),
    "a formula in shares of an unknown phase": (lambda: cd.place("formula('u')"), HorizonError, ("formula('u')", "give total=")),
    "a formula of an unknown total": (lambda: cd.place("formula('t / total', 5)"), HorizonError, ("total", "give total=")),
    "a formula with a huge number": (lambda: cd.formula("1e999 * t"), SpecError, ("too large", "1e308")),
    # Text and plans.
    "no text": (lambda: cd.parse("  "), SpecError, ("empty", "warmup('5%') >> cosine(to=0.01)")),
    "text that stops": (lambda: cd.parse("cosine("), SpecError, ("'cosine('", "column 7", "never closed")),
    "text that runs code": (lambda: cd.parse("__import__('os').system('x')"), CadenceError, ("'system'",)),
    "text with an operator too many": (lambda: cd.parse("cosine() - 0.5"), SpecError, ("'cosine() - 0.5'", "not allowed", ">>, * and +")),
    "text with a condition": (lambda: cd.parse("cosine() if 1 else linear()"), SpecError, ("not allowed",)),
    "a number after an arrow": (lambda: cd.parse("cosine(5) >> 0.5"), SpecError, (">> joins schedules", "constant(start=...)")),
    "a constructor without brackets": (lambda: cd.parse("warmup(5) >> cosine"), SpecError, ("cosine is called with brackets", "cosine(...)")),
    "an argument twice": (lambda: cd.parse("cosine(5, length=6)"), SpecError, ("given length twice", "write it once")),
    "too many arguments": (lambda: cd.parse("cosine(5, 0.1)"), SpecError, ("takes 1 values without a name, not 2", "(to, start, ends)")),
    "an argument that is missing": (lambda: cd.parse("inverse(10)"), SpecError, ("inverse needs timescale", "inverse(timescale=...)")),
    "arguments from a list": (lambda: cd.parse("cosine(*[5])"), SpecError, ("cosine(*...)", "one by one")),
    "something that is no schedule": (lambda: cd.place(object(), total=9), SpecError, ("<object object", "cadence's constructors or written as text")),  # type: ignore[arg-type]
    "a plan without entries": (lambda: cd.plan({}), SpecError, ("plan({'lr': cosine()",)),
    "a key without a value": (lambda: cd.plan({"head.*/": cd.cosine()}), SpecError, ("'head.*/'", "'lr' or 'pattern/lr'")),
    "a key twice": (lambda: cd.parse("plan({'lr': 1, 'lr': 2})"), SpecError, ("'lr' stands twice", "keep one")),
    "text in a plan of python": (lambda: cd.plan({"lr": "cosine()"}), SpecError, ("'cosine()' is text", "parse('cosine()')")),  # type: ignore[dict-item]
    "a pattern that matches no group": (
        lambda: cd.place({"haed.*/lr": "cosine()"}, total=9, groups=["head.w", "body"]), SpecError, ("'haed.*/lr'", "'head.w', 'body'"),
    ),
    "no groups": (lambda: cd.place("cosine()", total=9, groups=[]), SpecError, ("no parameter group",)),
    "two groups of one name": (lambda: cd.place("cosine()", total=9, groups=["a", "a"]), SpecError, ("'a'", "a name of its own")),
    "a value of an update before the run": (lambda: place("cosine()").at(-1), HorizonError, ("-1", "update 0")),
    "an update past a schedule that forbids it": (
        lambda: place("cosine(5).past_end('raise')", total=9), HorizonError, ("update 9", "at 5", "past_end('hold')"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_sentence_with_the_value_and_the_remedy(name: str) -> None:
    make, kind, parts = CASES[name]
    with pytest.raises(kind) as caught:
        make()
    sentence = str(caught.value)
    missing = [part for part in parts if part not in sentence]
    assert not missing, f"{sentence!r} does not say {missing}"
    assert "\n" not in sentence
    assert sentence == caught.value.args[0], "a sentence is printed as it is, where a KeyError would print its repr"
    assert type(caught.value) is kind or kind is CadenceError


@pytest.mark.parametrize("kind", [SpecError, UnknownNameError, HorizonError])
def test_errors_are_the_built_in_they_resemble_too(kind: type[CadenceError]) -> None:
    assert issubclass(kind, CadenceError)
    assert issubclass(kind, ValueError)


def test_nothing_is_run_or_imported_from_text(tmp_path: Any) -> None:
    harm = tmp_path / "harm"
    for text in (
        f"__import__('pathlib').Path({str(harm)!r}).touch()", f"[x for x in open({str(harm)!r}, 'w')]",
        f"cosine(to=open({str(harm)!r}, 'w'))", f"f'{{open({str(harm)!r}, chr(119))}}'",
    ):  # fmt: skip
        for read in (cd.parse, cd.formula):
            with pytest.raises(CadenceError):
                read(text)
    assert not harm.exists()


def test_reading_a_schedule_warns_about_nothing_on_the_way() -> None:
    code = "import cadence as cd\ntry: cd.parse(\"cosine('\\\\d')\")\nexcept cd._errors.CadenceError as e: print(e)"
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert "invalid escape sequence" in done.stdout
    assert done.stderr == ""
