"""How weights lie in memory."""

from __future__ import annotations

from cadence.advice.choice import Choice, Source, practice
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen
from cadence.findings.finding import Both

CHANNELS_LAST = "channels_last"
"""As torch calls it; a key of `model_args` where a model's function has it."""

MEASURED = Source("measured", "docs/performance.md, on a GPU")
MOSTLY = 0.5
"""Share of the parameters outside of embeddings from which a net is one of convolutions."""


def layout(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """``"channels_last"`` for convolutional nets on images in half precision; None: as the framework has it."""
    del practice_
    half = chosen["precision"].value in ("bf16", "fp16")
    counts = profile.model
    if not (half and profile.reads == "image" and counts.convolutions > MOSTLY * counts.without_embeddings):
        return Choice(
            "layout",
            None,
            Both(
                "only convolutions in half precision on an accelerator gain by another one",
                "只有加速卡上半精度的卷积能从其他布局中受益",
            ),
            practice("torch's default"),
            "high",
        )
    if counts.framework == "paddle":
        return Choice(
            "layout",
            None,
            Both(
                "paddle's layers say where their channels are themselves (data_format='NHWC'), which a recipe cannot",
                "paddle 由各层自己声明通道位置（data_format='NHWC'），配方无法设置",
            ),
            practice("paddle's layers"),
            "medium",
        )
    return Choice(
        "layout",
        CHANNELS_LAST,
        Both(
            "the layout in which a GPU computes convolutions in half precision: a ResNet-50 in bf16 on an H200 is "
            "trained "
            "at 2.0 times the speed of float32 with it, and at 1.1 times without; the numbers are those of the same "
            "formula",
            "GPU 计算半精度卷积所用的布局：在 H200 上以 bf16 训练 ResNet-50，用它时速度为 float32 的 2.0 倍，不用时为 "
            "1.1 倍；数"
            "值公式不变",
        ),
        MEASURED,
        "high" if counts.batch_statistics else "medium",
    )
