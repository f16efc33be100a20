"""Image models without batch statistics from scratch, and image models that go on from published weights."""

from __future__ import annotations

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.lengths import warmup_epochs
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

DEIT = paper("Touvron et al. 2020, DeiT, arXiv:2012.12877, table 9; facebookresearch/deit, main.py")
PLAIN = paper("Beyer et al. 2022, arXiv:2205.01580; google-research/big_vision, configs/vit_s16_i1k.py")
LARGE = 200e6
"""Parameters from which MAE's code fine-tunes with the numbers of its large models."""


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
                    f"0.0005 x {profile.batch_size} / 512; ConvNeXt's 0.004 for 4,096 examples and big_vision's 0.001 "
                    "for 1,024 are the same number",
                    f"0.0005 × {profile.batch_size} / 512；ConvNeXt 每 4096 个样本 0.004、big_vision 每 1024 个 0.001 "
                    "也是同一"
                    "数值",
                ),
                paper(
                    "Touvron et al. 2020, arXiv:2012.12877, table 9; Liu et al. 2022, ConvNeXt, arXiv:2201.03545, "
                    "table 5; Beyer et al. 2022, arXiv:2205.01580"
                ),
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
                    "5 epochs, as DeiT: attention takes large first steps badly",
                    "5 个周期，同 DeiT：注意力难以承受最初的大步长",
                ),
                DEIT,
                "high",
                (
                    Alternative(
                        "10,000 updates",
                        PLAIN,
                        Both(
                            "8 epochs for 1,024 examples, with light augmentation; ConvNeXt has 20 epochs: longer is "
                            "safer",
                            "批量 1024 时为 8 个周期，增强较轻；ConvNeXt 用 20 个周期：更长更稳妥",
                        ),
                    ),
                ),
            ),
            "schedule": Why(Both("a cosine over the whole length", "全程余弦"), DEIT, "high"),
            "weight_decay": Why(
                Both(
                    "0.05: AdamW multiplies it by the rate alone, so it is no number to compare with SGD's 1e-4",
                    "0.05：AdamW 只将其乘以学习率，因此不能与 SGD 的 1e-4 相比",
                ),
                DEIT,
                "high",
                (
                    Alternative(
                        0.1,
                        PLAIN,
                        Both(
                            "with light augmentation (there 1e-4 of its own, not multiplied by the rate of 0.001)",
                            "增强较轻时（原文为独立的 1e-4，不乘学习率 0.001）",
                        ),
                    ),
                ),
            ),
            "clip_norm": Why(
                Both(
                    "1.0, which ViT's authors found to help on ImageNet, and which big_vision kept",
                    "1.0，ViT 作者发现在 ImageNet 上有益，big_vision 沿用",
                ),
                paper("Dosovitskiy et al. 2020, arXiv:2010.11929, table 3; Beyer et al. 2022, arXiv:2205.01580"),
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
                    "an average of the weights with decay 0.9999: 0.2 points for ViT-B, 1.1 for ViT-L in 200 to 300 "
                    "epochs"
                    if long
                    else "none: in a run of fewer than 100 epochs an average with decay 0.9999 begins too early",
                    "以 0.9999 对权重做平均：200 至 300 个周期中 ViT-B 高 0.2 个百分点，ViT-L 高 1.1 个百分点"
                    if long
                    else "不用：不足 100 个周期时，衰减 0.9999 的平均含有太早的权重",
                ),
                paper("He et al. 2021, MAE, arXiv:2111.06377, appendix A.2, table 11"),
                "medium",
            ),
        },
        reference_batch=512,
        scaling="linear",
        arguments={"betas": (0.9, 0.999)},
        warmup=warmup_epochs(profile, 5),
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
    mae = paper("He et al. 2021, MAE, arXiv:2111.06377, table 9; facebookresearch/mae, FINETUNE.md")
    large = profile.model.total >= LARGE
    rate, factor = (1e-3, 0.75) if large else (5e-4, 0.65)
    layerwise = article("layer-wise rates: backbone 5e-4 below a head at 1e-3")
    if attention:
        return Practice(
            "fine_tuning_vit",
            Both("an image transformer that goes on from published weights", "从已发布权重继续训练的图像 Transformer"),
            "adamw",
            rate,
            {
                "optimizer": Why(
                    Both("AdamW, as in pre-training", "与预训练一样用 AdamW"),
                    mae,
                    "medium",
                    (
                        Alternative(
                            "sgd, 0.001 to 0.06 for 512 examples, no decay, clipped at 1",
                            paper("Dosovitskiy et al. 2020, arXiv:2010.11929, table 4"),
                            Both(
                                "what ViT's own fine-tuning searched for each data set; a pilot decides",
                                "ViT 原文微调时对每个数据集的搜索范围；试跑可以判断",
                            ),
                        ),
                        Alternative(
                            "adamw at 5e-5 for 512 examples, layer_decay 0.7 to 0.8, weight_decay 1e-8",
                            practice("facebookresearch/ConvNeXt, TRAINING.md"),
                            Both(
                                "for weights that were trained with labels, on the same or more images, for 30 epochs",
                                "用于以标签在相同或更多图像上训练的权重，30 个周期",
                            ),
                        ),
                    ),
                ),
                "batch_scaling": Why(
                    Both(
                        f"{rate:g} for 256 examples, in proportion to the batch",
                        f"每 256 个样本 {rate:g}，随批量成比例",
                    ),
                    mae,
                    "medium",
                ),
                "learning_rate": Why(
                    Both(
                        f"{rate:g} x {profile.batch_size} / 256 at the head, less by a factor of {factor} at each "
                        "depth "
                        "below it",
                        f"输出层 {rate:g} × {profile.batch_size} / 256，每往下一层乘以 {factor}",
                    ),
                    mae,
                    "medium",
                    (
                        *(
                            ()
                            if large
                            else (
                                Alternative(
                                    float(f"{1e-3 * profile.batch_size / 256:.3g}"),
                                    paper("He et al. 2021, MAE, arXiv:2111.06377, table 9"),
                                    Both(
                                        "with layer_decay 0.75, as the paper's table has it for every size; the "
                                        "published "
                                        "code has these numbers for large models only",
                                        "配合 layer_decay 0.75：论文的表对各种规模都如此；发布的代码只对大模型这样",
                                    ),
                                ),
                            )
                        ),
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
                        f"rates fall by {factor} from one depth to the one below: early layers need to change least",
                        f"学习率逐层乘以 {factor}：靠前的层最不需要改变",
                    ),
                    mae,
                    "medium",
                    (
                        Alternative(
                            "backbone x0.5",
                            layerwise,
                            Both("two groups in place of one for each depth", "分两组而不是逐层"),
                        ),
                    ),
                ),
                "label_smoothing": Why(Both("what the source trains with", "来源使用的数值"), mae, "medium"),
            },
            reference_batch=256,
            scaling="linear",
            arguments={"betas": (0.9, 0.999)},
            warmup="5%",
            decay="cosine()",
            weight_decay=0.05,
            layer_decay=factor,
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
                    f"0.003 x {profile.batch_size} / 512: one number for over 20 tasks, of nets with group "
                    "normalisation "
                    "whose weights come from many images",
                    f"0.003 × {profile.batch_size} / 512：二十多项任务共用的数值，网络带组归一化、权重来自大量图像",
                ),
                bit,
                "medium",
                (
                    Alternative(
                        "1e-4 to 0.1, searched",
                        paper("Kornblith et al. 2018, arXiv:1805.08974"),
                        Both(
                            "for weights from ImageNet alone the rate was searched for each data set; a pilot decides",
                            "权重仅来自 ImageNet 时，对每个数据集分别搜索学习率；试跑可以判断",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both("a short rise protects what was learnt before", "短预热可保护已学到的内容"),
                practice("cadence"),
                "low",
            ),
            "schedule": Why(
                Both("a cosine to 0: nothing to place", "余弦降到 0：无需选择位置"),
                practice("cadence"),
                "medium",
                (
                    Alternative(
                        "steps(at=['30%', '60%', '90%'])",
                        bit,
                        Both("the paper's own drops by 10", "论文所用的三次十倍下降"),
                    ),
                ),
            ),
            "weight_decay": Why(
                Both(
                    "none: the weights are where they should be, and the source speaks of none",
                    "不用：权重已经在合适的位置，来源也未提及",
                ),
                bit,
                "low",
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
