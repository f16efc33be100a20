"""Images: convolutional nets and transformers from scratch, fine-tuning, detection, segmentation."""

from __future__ import annotations

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

GOYAL = paper("Goyal et al. 2017, arXiv:1706.02677, sections 2.1, 2.2 and 5.1")
BAG = paper("He et al. 2018, Bag of Tricks, arXiv:1812.01187, sections 3 and 5")
DEIT = paper("Touvron et al. 2020, DeiT, arXiv:2012.12877, table 9")
LAMB = paper("You et al. 2019, LAMB, arXiv:1904.00962, section 4.2")
STRIKES = paper("Wightman et al. 2021, ResNet strikes back, arXiv:2110.00476, table 2")
WIDE = paper("Zagoruyko & Komodakis 2016, Wide ResNet, arXiv:1605.07146, section 3")
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
                    "SGD with momentum 0.9 is what these nets were made with, and adaptive methods reach no more at "
                    "equal tuning",
                    "这类网络就是用动量 0.9 的 SGD 训练出来的；同等调参下自适应方法并不更好",
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
                            "with strong augmentation, binary cross-entropy and 300 epochs it is ahead; at 90 epochs "
                            "without them it is not",
                            "配合强增强、二元交叉熵和 300 个周期时领先；90 个周期且没有这些时并不领先",
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
            ),
            "warmup": Why(
                Both(
                    "5 epochs: at this batch the scaled rate breaks the first updates, and a gradual rise does not"
                    if scaled
                    else "at most 256 examples need no warmup by the paper; a short one costs nothing",
                    "5 个周期：在此批量下缩放后的学习率会破坏最初的更新，逐渐升高则不会"
                    if scaled
                    else "批量不超过 256 时论文无需预热；短预热没有代价",
                ),
                GOYAL,
                "high" if scaled else "medium",
            ),
            "schedule": Why(
                Both(
                    "a cosine to 0 needs no milestones, and ends a little ahead of steps",
                    "余弦降到 0 无需里程碑，最终略优于阶梯",
                ),
                BAG,
                "high",
                (
                    Alternative(
                        "steps(at=['30 epochs', '60 epochs', '80 epochs'])",
                        GOYAL,
                        Both(
                            "0.1 to 0.7 points behind the cosine in arXiv:1812.01187; take it to compare with older "
                            "numbers",
                            "在 arXiv:1812.01187 中落后余弦 0.1 至 0.7 个百分点；要与旧结果比较时使用",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both("what both sources train with", "两个来源都使用的数值"),
                GOYAL,
                "high",
            ),
            "groups": Why(
                Both(
                    "no decay on biases and normalisation: they are rescaled away by the next layer, and at large "
                    "batches it helps a little",
                    "偏置和归一化不做衰减：它们会被下一层重新缩放，在大批量下略有帮助",
                ),
                BAG,
                "medium",
                (
                    Alternative(
                        "decay on all of them",
                        practice("torch's optimizers"),
                        Both(
                            "what the paper of the linear rule did, but for the gains of normalisation",
                            "提出线性规则的论文即如此",
                        ),
                    ),
                ),
            ),
            "label_smoothing": Why(
                Both(
                    "0.1 gains 0.3 to 0.6 points in trainings of 90 epochs and more",
                    "训练不少于 90 个周期时 0.1 可提高 0.3 至 0.6 个百分点",
                ),
                BAG,
                "medium",
            ),
        },
        reference_batch=256,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup=_epochs(profile, 5),
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
                            "equal on ResNet-50 when tuned (arXiv:2102.06356 finds plain momentum equal too); LAMB was "
                            "published with a table of rates for each batch",
                            "在 ResNet-50 上调参后相当（arXiv:2102.06356 发现普通动量也相当）；LAMB 给出了各批量对应的"
                            "学习率表",
                        ),
                    ),
                    Alternative(
                        "fewer examples in one update",
                        paper("McCandlish et al. 2018, arXiv:1812.06162"),
                        Both(
                            "beyond the critical batch (a few thousand to 20,000 for ImageNet) more examples hardly "
                            "save "
                            "updates: the noise of the gradients, measured, would decide",
                            "超过临界批量（ImageNet 约数千到两万）后，更多样本几乎不再减少更新次数：测量梯度噪声可以判"
                            "断",
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
                    f"0.04 x sqrt({profile.batch_size} / 32768), the paper's own table",
                    f"0.04 × sqrt({profile.batch_size} / 32768)，即论文自己的表",
                ),
                LAMB,
                "low" if beyond else "medium",
                (
                    Alternative(
                        "half of it",
                        STRIKES,
                        Both(
                            "0.005 for 2,048 examples there, 0.01 by the paper's table; a pilot would decide",
                            "该文在 2048 个样本时用 0.005，而论文表给出 0.01；试跑可以判断",
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
                Both("the linear decay that the paper's rates belong to", "论文学习率所配的线性衰减"), LAMB, "medium"
            ),
            "weight_decay": Why(
                Both("what LAMB was tuned to for ResNet-50", "LAMB 在 ResNet-50 上调得的数值"), STRIKES, "medium"
            ),
        },
        reference_batch=32_768,
        scaling="sqrt",
        warmup=_epochs(profile, min(epochs, 20.0)),
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
                Both("a cosine to 0 over the whole length", "全程余弦降到 0"),
                SGDR,
                "high",
                (
                    Alternative(
                        "steps(at=[30%, 60%, 80%], gamma=0.2)",
                        WIDE,
                        Both("equal within the noise of seeds", "在种子噪声范围内相当"),
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


def vision_transformer(profile: Profile) -> Practice:
    """Transformers, and modern convolutional nets without batch statistics, from scratch."""
    long = (profile.epochs or 0) >= 100
    few = profile.dataset_size is not None and profile.dataset_size < 200_000
    return Practice(
        "vit",
        Both("an image model with layer normalisation from scratch", "从头训练的带层归一化的图像模型"),
        "adamw",
        5e-4,
        {
            "optimizer": Why(
                Both(
                    "AdamW: attention trains badly with SGD, its gradients differ by orders of magnitude between "
                    "layers",
                    "AdamW：注意力用 SGD 难以训练，各层梯度相差数个数量级",
                ),
                DEIT,
                "high",
            ),
            "batch_scaling": Why(
                Both("0.0005 for 512 examples, in proportion to the batch", "每 512 个样本 0.0005，随批量成比例"),
                DEIT,
                "medium",
                (
                    Alternative(
                        "the square root of the batch",
                        paper("Malladi et al. 2022, arXiv:2205.10287"),
                        Both(
                            "what theory says of Adam; between 256 and 4,096 examples the two differ by a factor of "
                            "2.8 at "
                            "most, and a pilot decides",
                            "这是 Adam 的理论结果；在 256 到 4096 之间两者最多相差 2.8 倍，试跑可以判断",
                        ),
                    ),
                ),
            ),
            "learning_rate": Why(
                Both(
                    f"0.0005 x {profile.batch_size} / 512; ConvNeXt's 0.004 for 4,096 examples is the same number",
                    f"0.0005 × {profile.batch_size} / 512；ConvNeXt 每 4096 个样本 0.004 也是同一数值",
                ),
                paper("Touvron et al. 2020, arXiv:2012.12877; Liu et al. 2022, ConvNeXt, arXiv:2201.03545"),
                "low" if few else "high" if 256 <= profile.batch_size <= 4096 else "medium",
                (
                    Alternative(
                        0.003,
                        paper("Dosovitskiy et al. 2020, ViT, arXiv:2010.11929, table 3"),
                        Both(
                            "for 4,096 examples with weight decay 0.3 and clipping at 1",
                            "用于批量 4096、权重衰减 0.3、裁剪到 1",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both(
                    "5 epochs, as DeiT; without one the first updates diverge",
                    "5 个周期，同 DeiT；没有预热则最初的更新会发散",
                ),
                DEIT,
                "high",
            ),
            "schedule": Why(Both("a cosine over the whole length", "全程余弦"), DEIT, "high"),
            "weight_decay": Why(
                Both(
                    "0.05, over six times what is usual for convolutional nets: AdamW multiplies it by the rate",
                    "0.05：AdamW 会再乘以学习率，因此远大于卷积网络的常用值",
                ),
                DEIT,
                "high",
            ),
            "clip_norm": Why(
                Both("1.0, which the first of these models needed", "1.0，此类模型最早就需要它"),
                paper("Dosovitskiy et al. 2020, arXiv:2010.11929, table 3"),
                "medium",
                (
                    Alternative(
                        "none",
                        DEIT,
                        Both(
                            "DeiT trains without; a record of gradient norms decides",
                            "DeiT 不裁剪；看梯度范数的记录即可判断",
                        ),
                    ),
                ),
            ),
            "label_smoothing": Why(
                Both("0.1, with the augmentation that these models need", "0.1，配合这类模型所需的数据增强"),
                DEIT,
                "medium",
            ),
            "averaging": Why(
                Both(
                    "an average of the weights with decay 0.9999 is worth a little in long trainings",
                    "长训练中以 0.9999 对权重做平均略有收益",
                ),
                paper("Liu et al. 2022, ConvNeXt, arXiv:2201.03545, table 5"),
                "medium",
            ),
        },
        reference_batch=512,
        scaling="linear",
        arguments={"betas": (0.9, 0.999)},
        warmup=_epochs(profile, 5),
        decay="cosine(to=0.01)",
        weight_decay=0.05,
        clip_norm=1.0,
        label_smoothing=0.1 if profile.task == "classification" else 0.0,
        average={"decay": 0.9999} if long else None,
    )


def fine_tuning_images(profile: Profile) -> Practice:
    """Image models that go on from published weights."""
    attention = profile.model.attention or not profile.model.batch_statistics
    bit = paper("Kolesnikov et al. 2019, Big Transfer, arXiv:1912.11370, section 3.3")
    mae = paper("He et al. 2021, MAE, arXiv:2111.06377, table 9")
    layerwise = article("layer-wise rates: backbone 5e-4 below a head at 1e-3")
    if attention:
        return Practice(
            "fine_tuning_vit",
            Both("an image transformer that goes on from published weights", "从已发布权重继续训练的图像 Transformer"),
            "adamw",
            5e-4,
            {
                "optimizer": Why(
                    Both("AdamW, as in pre-training", "与预训练一样用 AdamW"),
                    mae,
                    "medium",
                    (
                        Alternative(
                            "sgd at 0.01 for 512 examples, no decay",
                            paper("Dosovitskiy et al. 2020, arXiv:2010.11929, table 4"),
                            Both(
                                "what ViT's own fine-tuning used, after a sweep of 0.003 to 0.06; a pilot decides",
                                "ViT 原文微调的做法，搜索了 0.003 到 0.06；试跑可以判断",
                            ),
                        ),
                    ),
                ),
                "batch_scaling": Why(
                    Both("0.0005 for 256 examples, in proportion to the batch", "每 256 个样本 0.0005，随批量成比例"),
                    mae,
                    "medium",
                ),
                "learning_rate": Why(
                    Both(
                        f"0.0005 x {profile.batch_size} / 256 at the head, less by a factor of 0.75 at each depth "
                        "below it",
                        f"输出层 0.0005 × {profile.batch_size} / 256，每往下一层乘以 0.75",
                    ),
                    mae,
                    "medium",
                    (
                        Alternative(
                            5e-5,
                            practice("transformers' Trainer"),
                            Both(
                                "one rate for all depths, without decay by depth",
                                "各层同一学习率、不按深度衰减时的默认值",
                            ),
                        ),
                    ),
                ),
                "warmup": Why(Both("a twentieth of the run", "训练的二十分之一"), mae, "medium"),
                "schedule": Why(Both("a cosine to 0", "余弦降到 0"), mae, "medium"),
                "weight_decay": Why(Both("0.05, as in pre-training", "0.05，与预训练相同"), mae, "medium"),
                "groups": Why(
                    Both(
                        "rates fall by 0.75 from one depth to the one below: early layers need to change least",
                        "学习率逐层乘以 0.75：靠前的层最不需要改变",
                    ),
                    paper("Bao et al. 2021, BEiT, arXiv:2106.08254; He et al. 2021, arXiv:2111.06377"),
                    "medium",
                    (
                        Alternative(
                            "backbone x0.5",
                            layerwise,
                            Both("two groups in place of one for each depth", "分两组而不是逐层"),
                        ),
                    ),
                ),
                "label_smoothing": Why(Both("0.1", "0.1"), mae, "medium"),
            },
            reference_batch=256,
            scaling="linear",
            arguments={"betas": (0.9, 0.999)},
            warmup="5%",
            decay="cosine()",
            weight_decay=0.05,
            layer_decay=0.75,
            label_smoothing=0.1 if profile.task == "classification" else 0.0,
        )
    return Practice(
        "fine_tuning_convnet",
        Both("a convolutional net that goes on from published weights", "从已发布权重继续训练的卷积网络"),
        "sgd",
        0.003,
        {
            "optimizer": Why(
                Both("SGD with momentum 0.9 moves trained weights least", "动量 0.9 的 SGD 对已训练权重的改动最小"),
                bit,
                "high",
            ),
            "batch_scaling": Why(
                Both("0.003 for 512 examples, in proportion to the batch", "每 512 个样本 0.003，随批量成比例"),
                bit,
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    f"0.003 x {profile.batch_size} / 512: one number that held on 20 data sets, if the weights come "
                    "from many images",
                    f"0.003 × {profile.batch_size} / 512：若权重来自大量图像，此数值在 20 个数据集上都适用",
                ),
                bit,
                "medium",
                (
                    Alternative(
                        0.01,
                        paper("Kornblith et al. 2018, arXiv:1805.08974"),
                        Both(
                            "for weights from ImageNet alone the best of a grid lay between 0.003 and 0.1; a pilot "
                            "decides",
                            "权重仅来自 ImageNet 时，网格最优在 0.003 到 0.1 之间；试跑可以判断",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both("a short rise protects what was learnt before", "短预热可保护已学到的内容"), bit, "medium"
            ),
            "schedule": Why(
                Both(
                    "a cosine to 0; the paper's three drops by 10 are equal", "余弦降到 0；论文的三次十倍下降效果相当"
                ),
                bit,
                "medium",
            ),
            "weight_decay": Why(
                Both("none: the weights are where they should be", "不用：权重已经在合适的位置"),
                bit,
                "medium",
                (
                    Alternative(
                        1e-4,
                        practice("most scripts"),
                        Both("a search over both, if the data are many", "数据较多时搜索两者即可判断"),
                    ),
                ),
            ),
            "groups": Why(
                Both(
                    "one rate for all layers; biases and normalisation without decay",
                    "各层同一学习率；偏置与归一化不衰减",
                ),
                bit,
                "medium",
                (
                    Alternative(
                        "backbone x0.5",
                        layerwise,
                        Both(
                            "a new head may learn faster than what is below it; a pilot with both decides",
                            "新的输出层可以比下面学得更快；两种都试跑即可判断",
                        ),
                    ),
                ),
            ),
        },
        reference_batch=512,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup="5%",
        decay="cosine()",
        weight_decay=0.0,
    )


def detection(profile: Profile) -> Practice:
    """Boxes: two-stage detectors, or transformers."""
    mask = paper("He et al. 2017, Mask R-CNN, arXiv:1703.06870, section 3.1")
    detr = paper("Carion et al. 2020, DETR, arXiv:2005.12872, section A.4")
    faster = article("Faster R-CNN: 0.01, warmup of 500 steps from 1e-4, drops by 10 late in the run")
    if profile.model.attention:
        return Practice(
            "detection_transformer",
            Both("a transformer that detects", "检测 Transformer"),
            "adamw",
            1e-4,
            {
                "optimizer": Why(Both("AdamW, as everything with attention", "带注意力的模型都用 AdamW"), detr, "high"),
                "batch_scaling": Why(
                    Both(
                        "0.0001 for 16 to 64 images; as the square root beyond that",
                        "16 至 64 张图像 0.0001，超出则按平方根",
                    ),
                    detr,
                    "low",
                ),
                "learning_rate": Why(
                    Both(
                        "0.0001, and a tenth of it for a backbone that was trained before",
                        "0.0001；预训练主干取其十分之一",
                    ),
                    detr,
                    "medium",
                ),
                "warmup": Why(Both("a short one costs nothing", "短预热没有代价"), detr, "low"),
                "schedule": Why(
                    Both("one drop by 10 after two thirds of the run", "在三分之二处下降十倍"), detr, "medium"
                ),
                "weight_decay": Why(Both("1e-4", "1e-4"), detr, "medium"),
                "clip_norm": Why(
                    Both("0.1: its gradients are small and its early ones erratic", "0.1：梯度本身小而早期不稳定"),
                    detr,
                    "medium",
                ),
            },
            reference_batch=64,
            scaling="sqrt",
            warmup="1%",
            decay="steps(at=['67%'], gamma=0.1)",
            weight_decay=1e-4,
            clip_norm=0.1,
        )
    return Practice(
        "detection",
        Both("a convolutional detector", "卷积检测器"),
        "sgd",
        0.02,
        {
            "optimizer": Why(
                Both(
                    "SGD with momentum 0.9, which every two-stage detector was published with",
                    "动量 0.9 的 SGD，两阶段检测器均以此发表",
                ),
                mask,
                "high",
            ),
            "batch_scaling": Why(
                Both("0.02 for 16 images, in proportion to the batch", "每 16 张图像 0.02，随批量成比例"),
                paper("He et al. 2017, arXiv:1703.06870; Goyal et al. 2017, arXiv:1706.02677, section 5.6"),
                "high",
                (Alternative("0.01 for 8 images", faster, Both("the same number", "是同一数值")),),
            ),
            "learning_rate": Why(
                Both(f"0.02 x {profile.batch_size} / 16", f"0.02 × {profile.batch_size} / 16"), mask, "high"
            ),
            "warmup": Why(
                Both(
                    "500 updates: heads that know nothing send wild gradients into a trained backbone",
                    "500 次更新：未训练的输出头会把剧烈的梯度传入已训练的主干",
                ),
                faster,
                "high",
            ),
            "schedule": Why(
                Both(
                    "drops by 10 at two thirds and at eleven twelfths of the run",
                    "在三分之二和十二分之十一处各下降十倍",
                ),
                mask,
                "high",
                (
                    Alternative(
                        "steps(at=[12, 16]) in updates",
                        faster,
                        Both(
                            "a clash of units: stepped per update these drop within the warmup; they are epochs",
                            "单位冲突：按更新计数则在预热中就下降；它们应为周期",
                        ),
                    ),
                ),
            ),
            "weight_decay": Why(Both("1e-4", "1e-4"), mask, "high"),
            "clip_norm": Why(Both("none is needed after the warmup", "预热之后无需裁剪"), mask, "medium"),
        },
        reference_batch=16,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup=min(500, max(1, profile.updates // 4)),
        decay="steps(at=['67%', '92%'], gamma=0.1)",
        weight_decay=1e-4,
    )


def segmentation(profile: Profile) -> Practice:
    """A class for every pixel."""
    deeplab = paper("Chen et al. 2017, DeepLabv3, arXiv:1706.05587, section 4")
    segformer = paper("Xie et al. 2021, SegFormer, arXiv:2105.15203, section 4.1")
    nnunet = paper("Isensee et al. 2018, nnU-Net, arXiv:1809.10486; the published code of 2020")
    if profile.model.attention:
        return Practice(
            "segmentation_transformer",
            Both("a transformer that segments", "分割 Transformer"),
            "adamw",
            6e-5,
            {
                "optimizer": Why(
                    Both("AdamW, as everything with attention", "带注意力的模型都用 AdamW"), segformer, "high"
                ),
                "batch_scaling": Why(
                    Both(
                        "0.00006 for 16 images; as the square root of the batch", "每 16 张图像 0.00006，按批量平方根"
                    ),
                    segformer,
                    "low",
                ),
                "learning_rate": Why(
                    Both("0.00006 for 16 images, a new head at ten times that", "每 16 张图像 0.00006，新输出头取十倍"),
                    segformer,
                    "medium",
                ),
                "warmup": Why(
                    Both("1,500 updates, or a tenth of a shorter run", "1500 次更新，较短的训练取十分之一"),
                    practice("mmsegmentation"),
                    "medium",
                ),
                "schedule": Why(Both("a straight line to 0", "直线降到 0"), segformer, "medium"),
                "weight_decay": Why(Both("0.01", "0.01"), segformer, "medium"),
            },
            reference_batch=16,
            scaling="sqrt",
            warmup=min(1500, max(1, profile.updates // 10)),
            decay="linear()",
            weight_decay=0.01,
        )
    return Practice(
        "segmentation",
        Both("a convolutional net that segments", "卷积分割网络"),
        "sgd",
        0.01,
        {
            "optimizer": Why(
                Both("SGD with momentum 0.9", "动量 0.9 的 SGD"),
                deeplab,
                "high",
                (
                    Alternative(
                        "momentum 0.99, nesterov",
                        nnunet,
                        Both("from scratch on few, large images", "在少量大图上从头训练时"),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both("0.01 for 16 images, in proportion to the batch", "每 16 张图像 0.01，随批量成比例"),
                deeplab,
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    f"0.01 x {profile.batch_size} / 16; the paper has 0.007, most code 0.01",
                    f"0.01 × {profile.batch_size} / 16；论文为 0.007，多数代码为 0.01",
                ),
                deeplab,
                "medium",
            ),
            "warmup": Why(Both("a short one costs nothing", "短预热没有代价"), practice("mmsegmentation"), "medium"),
            "schedule": Why(
                Both(
                    "(1 - u) ** 0.9, which segmentation has kept from its first papers; a line is equal",
                    "(1 - u) ** 0.9，分割沿用至今；与直线相当",
                ),
                deeplab,
                "high",
            ),
            "weight_decay": Why(Both("5e-4, on few images", "5e-4，图像较少"), deeplab, "medium"),
        },
        reference_batch=16,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup="2%",
        decay="power(exponent=0.9)",
        weight_decay=5e-4,
    )


def _epochs(profile: Profile, n: float) -> int | str:
    """A warmup of so many epochs, but never more than a tenth of the run."""
    if profile.epochs is None or profile.steps_per_epoch is None or n > 0.1 * profile.epochs:
        return "10%" if profile.epochs is not None and n > 0.1 * profile.epochs else "5%"
    return f"{n:g} epochs"
