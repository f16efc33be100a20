"""Weight decay, and which parameters have it."""

from __future__ import annotations

from typing import Any

from cadence.advice.choice import Choice, Source, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

LION = Source("paper", "Chen et al. 2023, Lion, arXiv:2302.06675, section 5")


def weight_decay(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """The optimizer's weight decay; None where the method has none."""
    del profile
    asked, own = str(chosen["optimizer"].value["name"]), practice_.optimizer
    value = practice_.weight_decay
    if asked == "lion" and own != "lion":
        return Choice(
            "weight_decay",
            value * 5,
            Both("five times AdamW's, because the rate is a fifth", "为 AdamW 的五倍，因为学习率只有五分之一"),
            LION,
            "low",
        )
    coupled = {"sgd", "lars", "adam"}
    if (asked in coupled) != (own in coupled) and value:
        # Decoupled decay is multiplied by the rate alone; coupled decay goes through momentum or the second moment.
        carried = 1e-4 if asked in coupled else 0.01
        return Choice(
            "weight_decay",
            carried,
            Both(
                f"what {asked} is mostly used with: a decay of {own} means something else",
                f"{asked} 常用的数值：{own} 的衰减含义不同",
            ),
            practice("most code"),
            "low",
        )
    return from_practice("weight_decay", value, practice_, _SMALL)


def groups(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """Who has no decay, whose rate falls by depth, and what has values of its own.

    Returns:
        Of a choice whose value is ``{"no_decay": True, "layer_decay": None}``, with ``"groups"`` as in a recipe where
        there are any.
    """
    value: dict[str, Any] = {"no_decay": practice_.no_decay, "layer_decay": practice_.layer_decay}
    if practice_.groups and chosen["optimizer"].value["name"] == practice_.optimizer:
        value["groups"] = {name: dict(keys) for name, keys in practice_.groups.items()}
    elif chosen["optimizer"].value["name"] == "muonadamw":
        value |= {"groups": not_orthogonal(profile)} if not_orthogonal(profile) else {}
    counts = profile.model
    # Of a method that takes every group's rate for a multiple of its own estimate, depth would be one more guess.
    if not chosen["weight_decay"].value:
        value["no_decay"] = False
    free = counts.norms + counts.biases
    share = f"{100 * free / counts.trained:.2g} %"
    otherwise = Why(
        Both(
            f"no decay on biases and normalisation, {share} of the parameters: pulling them to 0 serves nothing",
            f"偏置和归一化（占参数的 {share}）不做衰减：把它们拉向 0 没有意义",
        )
        if value["no_decay"]
        else Both("one group: there is no decay to leave out", "只有一组：没有衰减可免"),
        practice("most code since BERT"),
        "medium",
    )
    return from_practice("groups", value, practice_, otherwise)


def not_orthogonal(profile: Profile) -> dict[str, dict[str, Any]]:
    """The group of what Muon is not for, embeddings and the output layer, as far as the model has them."""
    counts = profile.model
    patterns = ["role:embedding"] if counts.embeddings else []
    patterns += ["role:head"] if counts.head != 0 else []
    return {"plain": {"parameters": patterns, "orthogonal": False}} if patterns else {}


_SMALL = Why(Both("small", "较小"), practice("torch's AdamW"), "low")
