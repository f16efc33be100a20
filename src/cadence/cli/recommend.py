"""`cadence recommend`: what to train with, why, and how sure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import AdviceError
from cadence.cli.exits import FINDINGS, RUN_FAILED
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.advice.advice import Advice


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("recommend")(recommend)


def recommend(
    recipe: Annotated[
        Path | None,
        typer.Argument(help="Recipe to fill in: task and total are enough; none: the options say.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="package.module:function, or a known name: resnet50, vit_b_16, gpt2.", show_default=False),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Kind: classification, lm, regression, detection, ...", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Known data: imagenet, cifar10; or number of rows.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", "--batch-size", help="Examples in one update, over all ranks.", show_default=False),
    ] = None,
    updates: Annotated[int | None, typer.Option(help="Length in updates.", show_default=False)] = None,
    epochs: Annotated[float | None, typer.Option(help="Length in epochs.", show_default=False)] = None,
    tokens: Annotated[float | None, typer.Option(help="Length in tokens.", show_default=False)] = None,
    sequence: Annotated[int | None, typer.Option(help="Tokens in one row.", show_default=False)] = None,
    gpus: Annotated[int | None, typer.Option(help="Accelerators that train together.", show_default=False)] = None,
    hardware: Annotated[str | None, typer.Option(help="What computes: cpu, A100, V100.", show_default=False)] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16, where it is decided.", show_default=False)
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Name of the method, where it is decided.", show_default=False)
    ] = None,
    fine_tuning: Annotated[
        bool | None,
        typer.Option("--fine-tuning/--from-scratch", help="Whether weights were trained before.", show_default=False),
    ] = None,
    noise: Annotated[float | None, typer.Option(help="Share of wrong labels.", show_default=False)] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, light or strong.", show_default=False)] = None,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Race a few rates with the recipe's own engine first.")
    ] = False,
    pilot_budget: Annotated[
        int | None, typer.Option(help="Updates that the pilot may take: a tenth.", show_default=False)
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="File to write: .html: page; .yaml: recipe. May be repeated.", show_default=False),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Write the .yaml as a search around the advice, for `cadence sweep`.")
    ] = False,
    train_task: Annotated[
        str | None,
        typer.Option(help="Task of the recipe that is written: digits, package.module:function.", show_default=False),
    ] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Recommend what to train with, and say why.

    Optimizer, learning rate, warmup, schedule, weight decay, groups, precision, clipping, averaging and stopping, each
    with a reason, a source and a confidence. Exit status 1: no learning rate can be recommended; 3: a pilot diverged at
    every rate.
    """
    from cadence._lazy import load

    said: dict[str, Any] = {
        "task": task, "data": data, "batch_size": batch, "updates": updates, "epochs": epochs, "tokens": tokens,
        "tokens_per_example": sequence, "gpus": gpus, "hardware": hardware, "precision": precision,
        "fine_tuning": fine_tuning, "noise": noise, "augmentation": augmentation,
    }  # fmt: skip
    files = _files(out or [], search=search, task=train_task)
    if recipe is not None:
        made = _of_recipe(load, recipe, model, optimizer, said, pilot=pilot, budget=pilot_budget)
    else:
        _check_alone(model, pilot=pilot, budget=pilot_budget)
        given = None if optimizer is None else {"optimizer": optimizer}
        made = load("cadence.advice.recommend").recommend(model=model, given=given, **said)
    written = [_write(made, path, lang.value, search=search, task=train_task, model=model) for path in files]
    _show(made, lang.value, as_json, written)
    if made.piloted is not None and all(trial.diverged for trial in made.piloted.trials):
        raise typer.Exit(RUN_FAILED)
    if not made["learning_rate"].known:
        raise typer.Exit(FINDINGS)


def _of_recipe(
    load: Any,
    recipe: Path,
    model: str | None,
    optimizer: str | None,
    said: dict[str, Any],
    *,
    pilot: bool,
    budget: int | None,
) -> Advice:
    """Advice for a recipe; what it says itself is not said again."""
    for option, key in (("--model", model), ("--optimizer", optimizer), ("--data", said.pop("data"))):
        if key is not None:
            raise AdviceError(f"{option} {key} and a recipe are both given; write it into {recipe}, or leave one out")
    for option, key, name in (
        ("--batch", "batch_size", "batch_size"),
        ("--updates", "updates", "total"),
        ("--epochs", "epochs", "total"),
        ("--tokens", "tokens", "total"),
        ("--sequence", "tokens_per_example", "task"),
        ("--precision", "precision", "precision"),
    ):
        value = said.pop(key)
        if value is not None:
            raise AdviceError(f"{option} {value} and a recipe are both given; write {name} into {recipe}")
    kind = said.pop("task")
    found = load("cadence.advice.of_recipe").recommend_recipe(
        recipe, kind=kind, pilot=pilot, pilot_budget=budget, **said
    )
    assert found is not None
    return found


def _check_alone(model: str | None, *, pilot: bool, budget: int | None) -> None:
    if model is None:
        raise AdviceError("neither a recipe nor a model is named; write cadence recommend RECIPE, or --model resnet50")
    if pilot or budget is not None:
        raise AdviceError(
            "a pilot trains, and needs to know on what; write a recipe with task, model and total, and run: cadence "
            "recommend RECIPE --pilot"
        )


def _files(paths: list[Path], *, search: bool, task: str | None) -> list[Path]:
    for path in paths:
        if path.suffix.lower() not in (".html", ".yaml", ".yml"):
            raise AdviceError(
                f"{str(path)!r} is no file that is written; end it in .html for a page, .yaml for a recipe"
            )
    asked = "--search" if search else "--train-task" if task is not None else None
    if asked is not None and all(path.suffix.lower() == ".html" for path in paths):
        raise AdviceError(f"{asked} is of the recipe, and none is written; name its file: --out recipe.yaml")
    return paths


def _write(advice: Advice, path: Path, lang: str, *, search: bool, task: str | None, model: str | None) -> Path:
    from cadence.record.files import make_folder, write_atomically

    if path.suffix.lower() == ".html":
        from cadence.report.advice_page import advice_page

        text = advice_page(advice, lang=lang)
    else:
        named = model if model is not None and ":" in model else None
        text = advice.search(task=task, model=named) if search else advice.recipe(task=task, model=named)
    make_folder(path.parent)
    write_atomically(path, text)
    return path


def _show(advice: Advice, lang: str, as_json: bool, written: list[Path]) -> None:
    from cadence.cli.show import console, print_json, text_plot

    if as_json:
        print_json(advice.to_dict() | {"files": [str(path) for path in written]})
        return
    from cadence.advice.shown import shown

    print(shown(advice, lang, min(console().width, 100)))
    if advice["learning_rate"].known:
        print()
        print(text_plot([advice.curve()], lang=lang))
    for path in written:
        print(path)
