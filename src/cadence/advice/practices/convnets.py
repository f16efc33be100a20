"""Convolutional nets with batch statistics, from scratch."""

from __future__ import annotations

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.lengths import warmup_epochs
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

GOYAL = paper("Goyal et al. 2017, arXiv:1706.02677, sections 2.1, 2.2 and 5.1")
COSINES = paper(
    "He et al. 2018, Bag of Tricks, arXiv:1812.01187, section 5.1; Wightman et al. 2021, arXiv:2110.00476, table 2"
)
LAMB = paper("You et al. 2019, LAMB, arXiv:1904.00962, section 4.3")
STRIKES = paper("Wightman et al. 2021, ResNet strikes back, arXiv:2110.00476, table 2, procedure A2")
TORCHVISION = practice("torchvision's newer recipe for ResNet-50, references/classification (weights IMAGENET1K_V2)")
WIDE = paper("Zagoruyko & Komodakis 2016, Wide ResNet, arXiv:1605.07146, section 3, implementation details")
SGDR = paper("Loshchilov & Hutter 2016, SGDR, arXiv:1608.03983")

LARGEST_LINEAR = 8192
"""Examples in one update up to which linear scaling was shown on ImageNet."""


def convnet(profile: Profile) -> Practice:
    """Convolutional nets with batch statistics on many images: ImageNet."""
    if profile.batch_size > LARGEST_LINEAR:
        return _convnet_large(profile)
    scaled = profile.batch_size > 256
    return Practice(
        "imagenet",
        Both("a convolutional net from scratch on many images", "在大量图像上从头训练的卷积网络"),
        "sgd",
        0.1,
        {
            "optimizer": Why(
                Both(
                    "SGD with momentum 0.9: its rate is known for every batch, and for 90 epochs no source has another "
                    "method ahead of it when both are tuned",
                    "动量 0.9 的 SGD：各种批量的学习率都已知；90 个周期时，没有来源表明另一方法在同样调参后更好",
                ),
                GOYAL,
                "high",
                (
                    Alternative(
                        "adamw at 0.001, weight_decay 0.01",
                        article("adaptive optimizers on ImageNet: AdamW 1e-3 ahead of SGD by 1.3 points"),
                        Both(
                            "its SGD ran 0.1 for 2,048 examples, an eighth of what linear scaling gives, with one "
                            "seed; "
                            "a comparison with both rates tuned would decide",
                            "该文的 SGD 在批量 2048 下只用 0.1，仅为线性缩放值的八分之一，且只有一个种子；两者都调参后"
                            "对比才能定论",
                        ),
                    ),
                    Alternative(
                        "lamb at 0.005 for 2,048 examples, weight_decay 0.02",
                        STRIKES,
                        Both(
                            "for 300 epochs with strong augmentation and binary cross-entropy; of short trainings "
                            "without "
                            "them no source compares the two",
                            "用于 300 个周期、强增强和二元交叉熵；对没有这些的短训练，没有来源比较过两者",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both(
                    "0.1 for 256 examples, in proportion to the batch: shown to hold from 64 to 8,192 examples",
                    "每 256 个样本 0.1，随批量成比例：已在 64 到 8192 的批量上验证",
                ),
                GOYAL,
                "high",
            ),
            "learning_rate": Why(
                Both(
                    f"0.1 x {profile.batch_size} / 256: the rate of the reference batch, scaled in proportion",
                    f"0.1 × {profile.batch_size} / 256：参考批量的学习率按比例缩放",
                ),
                GOYAL,
                "high",
                (
                    Alternative(
                        float(f"{0.5 * profile.batch_size / 1024:.3g}"),
                        TORCHVISION,
                        Both(
                            "0.5 for 1,024 examples, with 600 epochs, strong augmentation and averaged weights: a "
                            "quarter "
                            "more, within what a search can tell",
                            "每 1024 个样本 0.5，配合 600 个周期、强增强和权重平均：高四分之一，在搜索可分辨的范围内",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both(
                    "5 epochs: without them the scaled rate breaks the first updates (1.2 points of error at 8,192)"
                    if scaled
                    else "at most 256 examples need no warmup by the paper; a short one costs nothing",
                    "5 个周期：没有预热时缩放后的学习率会破坏最初的更新（批量 8192 时误差高 1.2 个百分点）"
                    if scaled
                    else "批量不超过 256 时论文无需预热；短预热没有代价",
                ),
                GOYAL,
                "high" if scaled else "medium",
            ),
            "schedule": Why(
                Both(
                    "a cosine to 0 needs no milestones, ended ahead of steps where both were tried, and is what newer "
                    "recipes have",
                    "余弦降到 0 无需里程碑，在比较中优于阶梯，也是较新配方的选择",
                ),
                COSINES,
                "high",
                (
                    Alternative(
                        "steps(at=['30 epochs', '60 epochs', '80 epochs'])",
                        GOYAL,
                        Both(
                            "behind the cosine by less than a point; take it to compare with older numbers",
                            "落后余弦不到一个百分点；要与旧结果比较时使用",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("what the source trains with for 90 epochs", "来源训练 90 个周期所用的数值"),
                GOYAL,
                "high",
                (
                    Alternative(
                        2e-5,
                        TORCHVISION,
                        Both(
                            "where mixed images, erasing and 600 epochs keep the net from over-fitting already",
                            "当混合图像、随机擦除和 600 个周期已能防止过拟合时",
                        ),
                    ),
                ),
            ),
            "groups": Why(
                Both(
                    "normalisation has none, as in the source; the only biases of such nets are those of the head",
                    "归一化不衰减，与来源相同；此类网络只有输出层有偏置",
                ),
                GOYAL,
                "high",
                (
                    Alternative(
                        "decay on all of them",
                        practice("torch's optimizers"),
                        Both(
                            "what frameworks do unless they are told; no source shows that it costs much",
                            "框架的默认做法；没有来源表明这有多大损失",
                        ),
                    ),
                ),
            ),
            "label_smoothing": Why(
                Both(
                    "0.1, as in the newer recipes; in trainings of 120 epochs it gained a few tenths of a point "
                    "(arXiv:1812.01187)",
                    "0.1，较新的配方都采用；120 个周期的训练中提高了零点几个百分点（arXiv:1812.01187）",
                ),
                TORCHVISION,
                "medium",
            ),
        },
        reference_batch=256,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup=warmup_epochs(profile, 5),
        decay="cosine()",
        weight_decay=1e-4,
        label_smoothing=0.1 if (profile.epochs or 0) >= 80 and profile.task == "classification" else 0.0,
    )


def _convnet_large(profile: Profile) -> Practice:
    """More than 8,192 examples: rates by layer."""
    epochs = 20 * profile.batch_size / 32_768
    beyond = profile.batch_size > 65_536
    return Practice(
        "imagenet_large_batch",
        Both(
            "a convolutional net from scratch on many images, in updates of more than 8,192 of them",
            "在大量图像上从头训练的卷积网络，单次更新超过 8192 张",
        ),
        "lamb",
        0.04,
        {
            "optimizer": Why(
                Both(
                    "linear scaling of SGD breaks down beyond 8,192 examples (arXiv:1706.02677, figure 1); a trust "
                    "ratio "
                    "for each layer carries on",
                    "批量超过 8192 时 SGD 的线性缩放失效（arXiv:1706.02677 图 1）；逐层信任比可以继续",
                ),
                LAMB,
                "medium",
                (
                    Alternative(
                        "lars, momentum 0.9, with polynomial decay",
                        paper("You, Gitman & Ginsburg 2017, LARS, arXiv:1708.03888"),
                        Both(
                            "equal on ResNet-50 when tuned (Nado et al. 2021, arXiv:2102.06356, find plain momentum "
                            "equal "
                            "too); LAMB was published with a rule from batch to rate",
                            "在 ResNet-50 上调参后相当（Nado 等 2021，arXiv:2102.06356 发现普通动量也相当）；LAMB 给出"
                            "了"
                            "由批量得学习率的规则",
                        ),
                    ),
                    Alternative(
                        "fewer examples in one update",
                        paper("McCandlish et al. 2018, arXiv:1812.06162"),
                        Both(
                            "beyond the critical batch more examples hardly save updates: the noise of the gradients, "
                            "measured, would decide",
                            "超过临界批量后，更多样本几乎不再减少更新次数：测量梯度噪声可以判断",
                        ),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both(
                    "as the square root of the batch, from 0.04 for 32,768 examples",
                    "随批量的平方根变化，以 32768 个样本 0.04 为基准",
                ),
                LAMB,
                "low" if beyond else "medium",
            ),
            "learning_rate": Why(
                Both(
                    f"0.04 x sqrt({profile.batch_size} / 32768): the paper's rule; the 0.04 is of its table for "
                    "ResNet-50, which could not be looked up",
                    f"0.04 × sqrt({profile.batch_size} / 32768)：论文的规则；其中 0.04 出自论文的 ResNet-50 表，未能核"
                    "对",
                ),
                LAMB,
                "low",
                (
                    Alternative(
                        "half of it",
                        STRIKES,
                        Both(
                            "0.005 for 2,048 examples there, 0.01 by the rule; a pilot would decide",
                            "该文在 2048 个样本时用 0.005，而按规则为 0.01；试跑可以判断",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both(
                    "in proportion to the batch: 20 epochs for 32,768 examples",
                    "与批量成比例：32768 个样本对应 20 个周期",
                ),
                LAMB,
                "medium",
            ),
            "schedule": Why(
                Both(
                    "a straight line to 0, as the paper has it for BERT (section 4.1)",
                    "直线降到 0，论文在 BERT 上即如此（4.1 节）",
                ),
                LAMB,
                "low",
            ),
            "weight_decay": Why(
                Both(
                    "what LAMB has there for ResNet-50, 2,048 examples", "该文 LAMB 训练 ResNet-50（批量 2048）的数值"
                ),
                STRIKES,
                "medium",
            ),
        },
        reference_batch=32_768,
        scaling="sqrt",
        warmup=warmup_epochs(profile, min(epochs, 20.0), most=0.25),
        decay="linear()",
        weight_decay=0.02,
        label_smoothing=0.1 if profile.task == "classification" else 0.0,
    )


def small_images(profile: Profile) -> Practice:
    """Convolutional nets on tens of thousands of images: CIFAR."""
    return Practice(
        "cifar",
        Both("a convolutional net from scratch on some ten thousand images", "在数万张图像上从头训练的卷积网络"),
        "sgd",
        0.1,
        {
            "optimizer": Why(
                Both(
                    "SGD with Nesterov momentum 0.9: on this scale it generalises as well as anything, and the rate is "
                    "known",
                    "Nesterov 动量 0.9 的 SGD：在此规模上泛化不逊于其他方法，且学习率有据可依",
                ),
                WIDE,
                "high",
            ),
            "batch_scaling": Why(
                Both("0.1 for 128 examples, in proportion to the batch", "每 128 个样本 0.1，随批量成比例"),
                GOYAL,
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    f"0.1 x {profile.batch_size} / 128: every paper on residual nets here begins at 0.1 for 128 "
                    "examples",
                    f"0.1 × {profile.batch_size} / 128：此类残差网络论文都从每 128 个样本 0.1 开始",
                ),
                WIDE,
                "high" if profile.model.batch_statistics and 32 <= profile.batch_size <= 1024 else "medium",
            ),
            "warmup": Why(
                Both("a short one costs nothing, and lets 0.1 begin safely", "短预热没有代价，使 0.1 能安全起步"),
                GOYAL,
                "medium",
            ),
            "schedule": Why(
                Both("a cosine to 0 over the whole length: no milestones to place", "全程余弦降到 0：无需选择里程碑"),
                SGDR,
                "medium",
                (
                    Alternative(
                        "steps(at=[30%, 60%, 80%], gamma=0.2)",
                        WIDE,
                        Both("the paper's own, for 200 epochs", "论文所用，200 个周期"),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("5e-4: the fewer images, the more decay", "5e-4：图像越少，衰减越大"),
                WIDE,
                "high",
                (
                    Alternative(
                        1e-4,
                        paper("He et al. 2015, arXiv:1512.03385, section 4.2"),
                        Both("for nets of under 2 million parameters", "用于不足两百万参数的网络"),
                    ),
                ),
            ),
        },
        reference_batch=128,
        scaling="linear",
        arguments={"momentum": 0.9, "nesterov": True},
        warmup="3%",
        decay="cosine()",
        weight_decay=5e-4,
    )
