"""An answer for every place of an image: detection, segmentation."""

from __future__ import annotations

import re

from cadence.advice.choice import Alternative, article, paper, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

_SINGLE = re.compile(r"retina_?net|fcos", re.IGNORECASE)
"""Detectors of one stage on a backbone that was trained before, by the names of their classes."""


def detection(profile: Profile) -> Practice:
    """Boxes: two-stage detectors, or transformers."""
    mask = paper("He et al. 2017, Mask R-CNN, arXiv:1703.06870, section 3.1")
    detr = paper("Carion et al. 2020, DETR, arXiv:2005.12872, section 4; facebookresearch/detr, main.py")
    once = practice("open-mmlab/mmdetection, configs/_base_/schedules/schedule_1x.py")
    # Its code has 2 images on each of 8 cards, its paper 4 on each of 16, and both the same rate.
    reference = min(64, max(16, profile.batch_size))
    retina = practice("open-mmlab/mmdetection, configs/retinanet/retinanet_r50_fpn_1x_coco.py")
    # Both are published with half the rate of two-stage detectors for the same images.
    single = bool(_SINGLE.search(profile.model.kind))
    rate, published = (0.01, retina) if single else (0.02, mask)
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
                        "0.0001 for 16 images in the code as for 64 in the paper; as the square root outside of that",
                        "代码中 16 张图像与论文中 64 张图像都是 0.0001；范围之外按平方根",
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
                "warmup": Why(
                    Both("a short one costs nothing; the source has none", "短预热没有代价；来源没有预热"),
                    practice("cadence"),
                    "low",
                ),
                "groups": Why(
                    Both(
                        "one rate, because what the model calls its backbone is not known here; no decay on biases and "
                        "normalisation",
                        "统一的学习率，因为这里不知道主干在模型中的名称；偏置和归一化不衰减",
                    ),
                    practice("cadence"),
                    "low",
                    (
                        Alternative(
                            "backbone x0.1",
                            detr,
                            Both(
                                "where the backbone was trained before: write a group for it",
                                "主干已预训练时：为它单独写一个组",
                            ),
                        ),
                    ),
                ),
                "schedule": Why(
                    Both("one drop by 10 after two thirds of the run", "在三分之二处下降十倍"), detr, "medium"
                ),
                "weight_decay": Why(Both("what the source trains with", "来源使用的数值"), detr, "medium"),
                "clip_norm": Why(
                    Both("0.1: its gradients are small and its early ones erratic", "0.1：梯度本身小而早期不稳定"),
                    detr,
                    "medium",
                ),
            },
            reference_batch=reference,
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
        rate,
        {
            "optimizer": Why(
                Both(
                    "SGD with momentum 0.9, which RetinaNet and FCOS were published with"
                    if single
                    else "SGD with momentum 0.9, which every two-stage detector was published with",
                    "动量 0.9 的 SGD，RetinaNet 与 FCOS 均以此发表"
                    if single
                    else "动量 0.9 的 SGD，两阶段检测器均以此发表",
                ),
                published,
                "high",
            ),
            "batch_scaling": Why(
                Both(f"{rate} for 16 images, in proportion to the batch", f"每 16 张图像 {rate}，随批量成比例"),
                paper("He et al. 2017, arXiv:1703.06870; Goyal et al. 2017, arXiv:1706.02677, section 5.4"),
                "high",
                () if single else (Alternative("0.01 for 8 images", faster, Both("the same number", "是同一数值")),),
            ),
            "learning_rate": Why(
                Both(
                    f"{rate} x {profile.batch_size} / 16"
                    + (
                        "; two-stage detectors bear 0.02" if single else "; RetinaNet, which has one stage, 0.01 for 16"
                    ),
                    f"{rate} × {profile.batch_size} / 16"
                    + ("；两阶段检测器可用 0.02" if single else "；单阶段的 RetinaNet 为每 16 张 0.01"),
                ),
                published,
                "high",
                (
                    Alternative(
                        "0.01 for 64 images, momentum 0.937, weight_decay 5e-4, 3 epochs of warmup, a line to 0.0001",
                        practice("ultralytics, cfg/default.yaml"),
                        Both("for detectors with one stage (YOLO), from scratch", "用于单阶段检测器（YOLO），从头训练"),
                    ),
                ),
            ),
            "warmup": Why(
                Both(
                    "500 updates: heads that know nothing send wild gradients into a trained backbone",
                    "500 次更新：未训练的输出头会把剧烈的梯度传入已训练的主干",
                ),
                once,
                "high",
            ),
            "schedule": Why(
                Both(
                    "drops by 10 at two thirds and at eleven twelfths of the run",
                    "在三分之二和十二分之十一处各下降十倍",
                ),
                once,
                "high",
                (
                    Alternative(
                        "steps(at=['67%', '89%'])",
                        practice("facebookresearch/detectron2, configs/Base-RCNN-FPN.yaml"),
                        Both(
                            "the same but for the second drop, at 80,000 of 90,000 updates",
                            "仅第二次下降不同：90000 次更新中的第 80000 次",
                        ),
                    ),
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
            "weight_decay": Why(Both("what the source trains with", "来源使用的数值"), mask, "high"),
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
    deeplab = paper("Chen et al. 2017, DeepLabv3, arXiv:1706.05587, section 4.1")
    segformer = paper(
        "Xie et al. 2021, SegFormer, arXiv:2105.15203, section 4.1; open-mmlab/mmsegmentation, configs/segformer"
    )
    mmseg = practice("open-mmlab/mmsegmentation, configs/_base_/schedules/schedule_160k.py")
    pspnet = paper("Zhao et al. 2016, PSPNet, arXiv:1612.01105, section 5.1")
    nnunet = paper("Isensee et al. 2018, nnU-Net, arXiv:1809.10486; MIC-DKFZ/nnUNet, nnUNetTrainer.py")
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
                    segformer,
                    "medium",
                ),
                "schedule": Why(Both("a straight line to 0", "直线降到 0"), segformer, "medium"),
                "weight_decay": Why(Both("what the source trains with", "来源使用的数值"), segformer, "medium"),
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
                Both("SGD with momentum 0.9, as both sources", "动量 0.9 的 SGD，两个来源都如此"),
                pspnet,
                "high",
                (
                    Alternative(
                        "momentum 0.99, nesterov, weight_decay 3e-5, 0.01 whatever the batch",
                        nnunet,
                        Both("from scratch on few, large images", "在少量大图上从头训练时"),
                    ),
                ),
            ),
            "batch_scaling": Why(
                Both("0.01 for 16 images, in proportion to the batch", "每 16 张图像 0.01，随批量成比例"),
                paper("Zhao et al. 2016, arXiv:1612.01105; Goyal et al. 2017, arXiv:1706.02677, section 5.4"),
                "medium",
            ),
            "learning_rate": Why(
                Both(
                    f"0.01 x {profile.batch_size} / 16",
                    f"0.01 × {profile.batch_size} / 16",
                ),
                pspnet,
                "high" if profile.fine_tuning else "medium",
                (
                    Alternative(
                        0.007,
                        deeplab,
                        Both(
                            "for the same batch: the same within what a search can tell",
                            "批量相同：差别在搜索可分辨的范围内",
                        ),
                    ),
                ),
            ),
            "warmup": Why(
                Both("a short one costs nothing; the sources have none", "短预热没有代价；来源都没有预热"),
                practice("cadence"),
                "low",
            ),
            "schedule": Why(
                Both(
                    "(1 - u) ** 0.9, which segmentation has kept from its first papers; a line is equal",
                    "(1 - u) ** 0.9，分割沿用至今；与直线相当",
                ),
                pspnet,
                "high",
            ),
            "weight_decay": Why(
                Both("what the source trains with", "来源使用的数值"),
                pspnet,
                "medium",
                (Alternative(5e-4, mmseg, Both("for the same rate and batch", "学习率和批量相同")),),
            ),
        },
        reference_batch=16,
        scaling="linear",
        arguments={"momentum": 0.9},
        warmup="2%",
        decay="power(exponent=0.9)",
        weight_decay=1e-4,
    )
