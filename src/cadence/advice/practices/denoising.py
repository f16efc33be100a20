"""Models that take noise away."""

from __future__ import annotations

from cadence.advice.choice import Alternative, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

LARGE = 100e6
"""Parameters from which published models have the smaller rate."""

MOST_ALIKE = 256
"""Rows in one update up to which the rates of the sources do not follow the batch."""


def denoising(profile: Profile) -> Practice:
    """Models that take noise away: diffusion, autoencoders."""
    ddpm = paper("Ho et al. 2020, DDPM, arXiv:2006.11239, appendix B")
    code = practice("hojonathanho/diffusion, scripts/run_cifar.py")
    adm = paper("Dhariwal & Nichol 2021, arXiv:2105.05233, table 11")
    dit = paper("Peebles & Xie 2022, DiT, arXiv:2212.09748, section 4; facebookresearch/DiT, train.py")
    large = profile.parameters >= LARGE
    scaled = profile.batch_size > MOST_ALIKE
    rate, whose = (1e-4, dit) if large else (2e-4, ddpm)
    return Practice(
        "denoising",
        Both("a model that takes noise away", "去噪模型"),
        "adamw",
        rate,
        {
            "optimizer": Why(
                Both(
                    "Adam; every step sees other noise, so there is nothing to over-fit and little to decay",
                    "Adam；每一步的噪声都不同，几乎不会过拟合，也几乎无需衰减",
                ),
                ddpm,
                "high",
            ),
            "batch_scaling": Why(
                Both(
                    "as the square root of the batch beyond 256: the source has 0.0003 for 2,048 rows and 0.0001 for "
                    "256"
                    if scaled
                    else "none up to 256 rows: the sources have one rate for 64 to 256",
                    "批量超过 256 时按平方根：来源在 2048 行时为 0.0003，256 行时为 0.0001"
                    if scaled
                    else "不超过 256 行时不缩放：来源在 64 到 256 行之间用同一学习率",
                ),
                adm,
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    "0.0001, for transformers and U-Nets of several hundred million parameters alike"
                    if large
                    else "0.0002, of a U-Net with 36 million parameters on images of 32 x 32",
                    "0.0001，数亿参数的 Transformer 与 U-Net 都如此"
                    if large
                    else "0.0002，来自 3600 万参数、32 x 32 图像的 U-Net",
                ),
                whose,
                "high" if large else "medium" if profile.parameters >= 10e6 else "low",
                (
                    Alternative(
                        2e-5,
                        ddpm,
                        Both(
                            "for images of 256 x 256, which the source found unstable at 0.0002",
                            "用于 256 x 256 的图像，来源发现 0.0002 时不稳定",
                        ),
                    ),
                    Alternative(
                        1e-3,
                        paper("Karras et al. 2022, EDM, arXiv:2206.00364, table 7"),
                        Both(
                            "with preconditioned networks on small images, in updates of 512",
                            "用于带预条件的网络和小图像，批量 512",
                        ),
                    ),
                    *(() if large else (Alternative(1e-4, adm, Both("for larger models", "用于更大的模型")),)),
                ),
                Both(
                    "three rates a factor of 3 apart, judged on the average of the weights",
                    "三个相差 3 倍的学习率，以权重平均来评判",
                ),
            ),
            "warmup": Why(
                Both("5,000 updates, or a twentieth of a shorter run", "5000 次更新，较短的训练取二十分之一"),
                code,
                "medium",
                (
                    Alternative(
                        "none",
                        dit,
                        Both(
                            "where the model is a transformer: its authors needed none",
                            "Transformer 时：其作者不需要预热",
                        ),
                    ),
                ),
            ),
            "schedule": Why(
                Both("constant: the average of the weights does what a decay would", "恒定：权重平均已起到衰减的作用"),
                dit,
                "high",
                (
                    Alternative(
                        "constant() >> decay('20%')",
                        paper("Hägele et al. 2024, arXiv:2405.18392"),
                        Both("in runs too short for an average to form", "训练太短、平均来不及形成时"),
                    ),
                ),
            ),
            "weight_decay": Why(Both("none: noise regularises", "不用：噪声本身就是正则化"), dit, "high"),
            "clip_norm": Why(
                Both(
                    "what the source's code trains with; later ones do without", "来源代码使用的数值；后来的做法不裁剪"
                ),
                code,
                "medium",
            ),
            "averaging": Why(
                Both(
                    "an average of the weights with decay 0.9999: samples of the bare weights are visibly worse",
                    "以 0.9999 对权重做平均：直接用当前权重的样本明显更差",
                ),
                ddpm,
                "high",
            ),
        },
        reference_batch=MOST_ALIKE if scaled else None,
        scaling="sqrt" if scaled else None,
        arguments={"betas": (0.9, 0.999)},
        warmup=min(5000, max(1, profile.updates // 20)),
        decay="constant()",
        clip_norm=1.0,
        average={"decay": 0.9999},
    )
