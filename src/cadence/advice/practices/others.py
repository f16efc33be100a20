"""Tables, contrastive learning, recurrent nets, and what nothing is known of."""

from __future__ import annotations

from cadence.advice.choice import Alternative, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both


def tables(profile: Profile) -> Practice:
    """Layers of matrices on columns of numbers."""
    gorishniy = paper("Gorishniy et al. 2021, arXiv:2106.11959, section 4 and appendix F.2, table 15")
    return Practice(
        "table",
        Both("a net of linear layers on columns of numbers", "用于数值表格的全连接网络"),
        "adamw",
        1e-3,
        {
            "optimizer": Why(
                Both("AdamW: columns differ in scale, and so do gradients", "AdamW：各列尺度不同，梯度也不同"),
                gorishniy,
                "high",
            ),
            "batch_scaling": Why(
                Both(
                    "the rate is searched for each data set in every source",
                    "各来源都对每个数据集搜索学习率",
                ),
                gorishniy,
                "low",
            ),
            "learning_rate": Why(
                Both(
                    "0.001, within what the source searches for each data set (1e-5 to 1e-2, evenly in the logarithm)",
                    "0.001，在来源对每个数据集的搜索范围之内（1e-5 到 1e-2，对数均匀）",
                ),
                gorishniy,
                "low",
                (
                    Alternative(
                        "3e-4, the middle of that range",
                        gorishniy,
                        Both(
                            "with a constant rate and early stopping, as there; a decay wants a higher one",
                            "与来源一样用恒定学习率和早停时；有衰减时应更高",
                        ),
                    ),
                ),
                Both(
                    "a race of five rates, a factor of 3 apart, judged on rows that were not trained on",
                    "五个相差 3 倍的学习率竞速，以未训练的行评判",
                ),
            ),
            "warmup": Why(Both("a short one costs nothing", "短预热没有代价"), practice("cadence"), "low"),
            "schedule": Why(
                Both(
                    "a cosine to 0: rows come again and again, and low rates at the end keep them from being learnt "
                    "by heart",
                    "余弦降到 0：数据反复出现，末尾的低学习率可避免死记硬背",
                ),
                practice("cadence"),
                "medium",
                (
                    Alternative(
                        "constant(), stopped early",
                        gorishniy,
                        Both(
                            "the source stops after 16 epochs without improvement; with a decay the end is the best",
                            "来源在 16 个周期没有改善时停止；有衰减时末尾就是最好的",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("the default of the method", "该方法的默认值"),
                practice("torch's AdamW"),
                "low",
                (
                    Alternative(
                        "0, or 1e-6 to 1e-3, searched",
                        gorishniy,
                        Both("what the source searches: less than the default", "来源的搜索范围：低于默认值"),
                    ),
                ),
            ),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="5%",
        decay="cosine()",
        weight_decay=0.01,
    )


def contrastive(profile: Profile) -> Practice:
    """Pairs that belong together."""
    clip = paper("Radford et al. 2021, CLIP, arXiv:2103.00020, tables 18 to 20; mlfoundations/open_clip, params.py")
    simclr = paper("Chen et al. 2020, SimCLR, arXiv:2002.05709, section 2.3, default setting")
    return Practice(
        "contrastive",
        Both("contrastive learning", "对比学习"),
        "adamw",
        5e-4,
        {
            "optimizer": Why(
                Both("AdamW with betas 0.9 and 0.98", "AdamW，beta 为 0.9 和 0.98"),
                clip,
                "medium",
                (
                    Alternative(
                        "lars at 0.3 for 256 rows, in proportion to the batch, weight_decay 1e-6, 10 epochs of warmup",
                        simclr,
                        Both(
                            "for convolutional nets on images alone (two views of one)",
                            "用于只有图像的卷积网络（同一图像的两个视图）",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both("as the square root of the batch, from 32,768 pairs", "按批量平方根，以 32768 对为基准"),
                clip,
                "low",
            ),
            "learning_rate": Why(
                Both(
                    "0.0005 for 32,768 pairs; another batch is another loss, so this carries over badly",
                    "32768 对时为 0.0005；批量不同损失也不同，难以外推",
                ),
                clip,
                "medium" if profile.batch_size >= 8192 else "low",
                (),
                Both(
                    "a race of five rates, judged by retrieval on pairs that were not trained on",
                    "五个学习率竞速，以未训练样本对的检索评判",
                ),
            ),
            "warmup": Why(
                Both("2,000 updates, or a tenth of a shorter run", "2000 次更新，较短的训练取十分之一"), clip, "medium"
            ),
            "schedule": Why(Both("a cosine to 0", "余弦降到 0"), clip, "high"),
            "weight_decay": Why(Both("what the source trains with", "来源使用的数值"), clip, "medium"),
        },
        reference_batch=32_768,
        scaling="sqrt",
        arguments={"betas": (0.9, 0.98), "eps": 1e-6},
        warmup=min(2000, max(1, profile.updates // 10)),
        decay="cosine()",
        weight_decay=0.2,
    )


def recurrent(profile: Profile) -> Practice:
    """Recurrent nets."""
    merity = paper("Merity et al. 2017, AWD-LSTM, arXiv:1708.02182; salesforce/awd-lstm-lm, main.py")
    return Practice(
        "recurrent",
        Both("a recurrent net", "循环网络"),
        "adamw",
        1e-3,
        {
            "optimizer": Why(
                Both("what the source trains with", "来源使用的数值"),
                practice("most code since 2017"),
                "medium",
                (
                    Alternative(
                        "plain SGD at 30, averaged at the end",
                        merity,
                        Both(
                            "the best of its time on small text, after a long search",
                            "当年小规模文本上最好的做法，经过长时间搜索",
                        ),
                    ),
                ),
            ),
            "learning_rate": Why(
                Both("what the source trains with", "来源使用的数值"),
                practice("most code since 2017"),
                "low",
                (),
                Both("a race of five rates, a factor of 3 apart", "五个相差 3 倍的学习率竞速"),
            ),
            "schedule": Why(
                Both("a cosine to 0", "余弦降到 0"), paper("Loshchilov & Hutter 2017, arXiv:1711.05101"), "medium"
            ),
            "clip_norm": Why(
                Both("0.25: gradients through time explode", "0.25：沿时间传播的梯度会爆炸"), merity, "medium"
            ),
            "weight_decay": Why(
                Both("as little as the source has (1.2e-6)", "与来源一样小（1.2e-6）"), merity, "medium"
            ),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="5%",
        decay="cosine()",
        weight_decay=1e-6,
        clip_norm=0.25,
    )


def unknown(profile: Profile) -> Practice:
    """Anything else: no rate."""
    del profile
    return Practice(
        "unknown",
        Both("a kind of training that no rule is about", "没有规则涉及的训练类型"),
        "adamw",
        None,
        {
            "optimizer": Why(
                Both("AdamW fails least often where nothing is known", "在没有依据时 AdamW 最少失败"),
                paper("Schmidt et al. 2020, Crowded Valley, arXiv:2007.01547"),
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    "no source has trainings of this kind, and the best rates of others span four decades",
                    "没有来源涉及此类训练，而其他类型的最佳学习率跨越四个数量级",
                ),
                practice("cadence"),
                "unknown",
                (),
                Both(
                    "cadence find-lr, then a race of five rates around what it suggests (recommend with pilot=)",
                    "先运行 cadence find-lr，再在其建议附近让五个学习率竞速（recommend 的 pilot=）",
                ),
            ),
            "schedule": Why(
                Both("a cosine to 0 loses little anywhere", "余弦降到 0 在各处都损失不大"),
                paper("Schmidt et al. 2020, arXiv:2007.01547"),
                "low",
            ),
        },
        arguments={"betas": (0.9, 0.999)},
        warmup="5%",
        decay="cosine()",
        weight_decay=0.01,
    )
