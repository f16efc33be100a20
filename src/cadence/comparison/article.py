"""What the default comparison says of itself: names, headings, and where its table comes from."""

from __future__ import annotations

from cadence.comparison.settings import Words

SEEDS = {"digits": 3, "bytes": 5}
"""Of the reported runs. On `bytes` the gaps are large against the spread of seeds, and five show them surely."""

TITLE: Words = {
    "en": "Four training recipes, compared on two data sets",
    "zh": "四种训练配方在两个数据集上的对比",
}

TASK_LABELS: dict[str, Words] = {
    "digits": {
        "en": "digits: 1,797 handwritten digits, a small residual network",
        "zh": "digits：1,797 个手写数字，小型残差网络",
    },
    "bytes": {
        "en": "bytes: Python's own source text, a small GPT",
        "zh": "bytes：Python 自身的源代码文本，小型 GPT",
    },
}

LABELS: dict[str, Words] = {
    "sgd-step": {"en": "SGD + step decay", "zh": "SGD + 阶梯衰减"},
    "adamw-constant": {"en": "AdamW constant", "zh": "AdamW 恒定"},
    "adamw-cosine": {"en": "AdamW + warmup + cosine", "zh": "AdamW + 预热 + 余弦"},
    "lamb-cosine": {"en": "LAMB + warmup + cosine", "zh": "LAMB + 预热 + 余弦"},
}

NOTES: tuple[Words, ...] = (
    {
        "en": "The four recipes are those of a table that articles on optimizers print for ResNet-50 on ImageNet: "
        "SGD with "
        "step decay 76.1 % after 90 epochs, AdamW 77.4 % after 75, AdamW with cosine 78.2 % after 70, LAMB with "
        "warmup and "
        "cosine 78.0 % after 68. That table names no seeds, no intervals, no tuning budget and no definition of "
        "convergence; this one states all four. Other data, other models and far shorter runs: what holds here "
        "need not "
        "hold there.",
        "zh": "这四种配方来自介绍优化器的文章常引的一张表（ResNet-50，ImageNet）：SGD 阶梯衰减 90 个 epoch 后 76.1 %，"
        "AdamW 75 个后 77.4 %，AdamW 加余弦 70 个后 78.2 %，LAMB 加预热和余弦 68 个后 78.0 %。那张表没有写明随机种子、"
        "置信区间、调参预算，也没有定义何为收敛；本报告四项都写明。数据、模型不同，训练也短得多："
        "这里成立的结论在那里未必成立。",
    },
    {
        "en": "Its AdamW row names no schedule; a constant rate is our reading. Its learning rates belong to "
        "another model and "
        "batch size, and at one fixed rate a table only says whose rate was lucky, so every recipe's rate is tuned "
        "here, "
        "each with the same budget.",
        "zh": "表中的 AdamW 一行没有写明调度，这里按恒定学习率理解。表中的学习率属于另一个模型和批量；"
        "在固定的一个学习率上，"
        "一张表只能说明谁的学习率碰巧合适，因此这里每个配方都调学习率，预算相同。",
    },
    {
        "en": "LAMB follows its paper: each layer's step is scaled by the ratio of the weights' norm to the "
        "update's. The "
        "arguments that the table's source gives for it (adam_like, trust_ratio_clip) are those of no library we "
        "know; where "
        "one has a similar switch, it sets that ratio to 1, which is no longer LAMB.",
        "zh": "LAMB 按其论文实现：每层的步长按权重范数与更新量范数之比缩放。表的出处给它的参数（adam_like、"
        "trust_ratio_clip）"
        "不属于我们所知的任何库；有类似开关的库把该比值设为 1，那就不再是 LAMB 了。",
    },
)
"""What the report must say that cannot be read from the runs."""
