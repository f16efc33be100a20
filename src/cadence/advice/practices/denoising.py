"""Models that take noise away."""

from __future__ import annotations

from cadence.advice.choice import Alternative, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both


def denoising(profile: Profile) -> Practice:
    """Models that take noise away: diffusion, autoencoders."""
    ddpm = paper("Ho et al. 2020, DDPM, arXiv:2006.11239, appendix B")
    code = practice("DDPM's published code")
    return Practice(
        "denoising",
        Both("a model that takes noise away", "去噪模型"),
        "adamw",
        2e-4,
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
                    "none between 64 and 2,048 rows: the published rates do not follow the batch",
                    "64 到 2048 行之间不缩放：已发表的学习率不随批量变化",
                ),
                paper("Dhariwal & Nichol 2021, arXiv:2105.05233, table 11"),
                "low",
            ),
            "learning_rate": Why(
                Both("what the source trains with", "来源使用的数值"),
                ddpm,
                "medium" if profile.parameters >= 10e6 else "low",
                (
                    Alternative(
                        1e-4,
                        paper("Dhariwal & Nichol 2021, arXiv:2105.05233, table 11"),
                        Both("for models of several hundred million parameters", "用于数亿参数的模型"),
                    ),
                    Alternative(
                        1e-3,
                        paper("Karras et al. 2022, EDM, arXiv:2206.00364, table 7"),
                        Both("with preconditioned networks on small images", "用于带预条件的网络和小图像"),
                    ),
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
            ),
            "schedule": Why(
                Both("constant: the average of the weights does what a decay would", "恒定：权重平均已起到衰减的作用"),
                ddpm,
                "medium",
                (
                    Alternative(
                        "constant() >> decay('20%')",
                        paper("Hägele et al. 2024, arXiv:2405.18392"),
                        Both("in runs too short for an average to form", "训练太短、平均来不及形成时"),
                    ),
                ),
            ),
            "weight_decay": Why(Both("none", "不用"), ddpm, "medium"),
            "clip_norm": Why(Both("what the source trains with", "来源使用的数值"), code, "medium"),
            "averaging": Why(
                Both(
                    "an average of the weights with decay 0.9999: samples of the bare weights are visibly worse",
                    "以 0.9999 对权重做平均：直接用当前权重的样本明显更差",
                ),
                ddpm,
                "high",
            ),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup=min(5000, max(1, profile.updates // 20)),
        decay="constant()",
        clip_norm=1.0,
        average={"decay": 0.9999},
    )
