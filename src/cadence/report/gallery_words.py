"""The gallery's own sentences, and the Chinese of what the catalogue says in English."""

from __future__ import annotations

from dataclasses import dataclass

PAGE: dict[str, dict[str, str]] = {
    "en": {
        "title": "Gallery of schedules",
        "intro": (
            "Every schedule that cadence knows, drawn on a run of 1,000 updates with 10 updates an epoch; this page is "
            "made by `cadence schedules --gallery docs/gallery.md`. `cadence schedules NAME` shows one of them in the "
            "terminal, `cadence plot` draws any combination.\n\n"
            "Values are multiples of each parameter group's base. In the formulas `u` is the share of the phase "
            "that is "
            "done, `v = 1 - u` the share that is left, `w` the weight of the starting value, `n` the updates done, `k` "
            "the number of the cycle. Lengths are updates, `'500 steps'`, `'8 epochs'`, `'1e6 samples'`, `'2e9 "
            "tokens'` "
            "or `'5%'` of the run; a phase without a length takes what is left. Schedules combine: `a >> b` (first a, "
            "then b), `a * b`, `a + b`, `.clip(lo, hi)`, `.repeat(n, grow=, decay=)`, `.stretch(x)`, "
            "`.staircase('1 epoch')`, `.cut('10 epochs')`, `.past_end('hold' | 'repeat' | 'mirror' | 'raise')`."
        ),
        "formula": "Formula",
        "source": "Source",
        "when": "Use it",
        "avoid": "Not",
        "call": "Call",
        "example": "Drawn",
        "reads": "which reads",
        "alt": "The curve of {example} over 1,000 updates.",
        "metric": (
            "Drawn for a loss that falls for six evaluations, stands still for six, and so on; an evaluation every 20 "
            "updates."
        ),
        "stops": " The run stops at update {t}.",
    },
    "zh": {
        "title": "调度图册",
        "intro": (
            "cadence 认识的所有调度，画在一次 1,000 次更新、每个 epoch 10 次更新的运行上；本页由 "
            "`cadence schedules --lang zh --gallery docs/gallery.zh.md` 生成。`cadence schedules 名称` "
            "在终端中显示其中一个，"
            "`cadence plot` 可画任意组合。\n\n"
            "数值是各参数组基础值的倍数。公式中 `u` 是本阶段已完成的比例，`v = 1 - u` 是剩余的比例，`w` "
            "是起始值的权重，"
            "`n` 是已完成的更新数，`k` 是周期的序号。长度可写成更新数、`'500 steps'`、`'8 epochs'`、`'1e6 samples'`、"
            "`'2e9 tokens'` 或占全程的 `'5%'`；不写长度的阶段占用剩余的部分。调度可以组合：`a >> b`（先 a 后 b）、"
            "`a * b`、"
            "`a + b`、`.clip(lo, hi)`、`.repeat(n, grow=, decay=)`、`.stretch(x)`、`.staircase('1 epoch')`、"
            "`.cut('10 epochs')`、"
            "`.past_end('hold' | 'repeat' | 'mirror' | 'raise')`。"
        ),
        "formula": "公式",
        "source": "出处",
        "when": "适用",
        "avoid": "不适用",
        "call": "调用",
        "example": "所画",
        "reads": "展开为",
        "alt": "{example} 在 1,000 次更新上的曲线。",
        "metric": "所画的情形：损失先在六次评估中下降，再在六次评估中不变，如此往复；每 20 次更新评估一次。",
        "stops": "运行在第 {t} 次更新处停止。",
    },
}
"""Language -> words of the page."""

FAMILIES: dict[str, dict[str, tuple[str, str]]] = {
    "en": {
        "scheduled": (
            "Scheduled",
            "The value depends on the update number alone: it can be drawn before the training, is the same on every "
            "rank and after every resume. The first choice wherever the length of the run is known.",
        ),
        "adaptive": (
            "Adaptive",
            "The value follows a metric, through decisions that are kept in a journal. For runs whose length nobody "
            "knows, and for data that changes. A rule stands in a product, and counts only within its own phase.",
        ),
        "custom": (
            "Custom",
            "Your own curve, by its points or by a formula, where none of the others says it. A new shape of your own "
            "is one decorated function: see CONTRIBUTING.",
        ),
    },
    "zh": {
        "scheduled": (
            "预定型",
            "数值只取决于更新序号：训练之前就能画出来，在每个进程上、每次恢复之后都相同。只要知道运行长度，"
            "就应首选这一类。",
        ),
        "adaptive": (
            "自适应型",
            "数值跟随某个指标，每个决定都记入日志。用于长度未知的运行和会变化的数据。规则写在乘积里，"
            "只在自己的阶段内计数。",
        ),
        "custom": (
            "自定义型",
            "用点或公式给出自己的曲线，用于其他调度都表达不了的情形。自己的新形状只需一个带装饰器的函数：见 "
            "CONTRIBUTING。",
        ),
    },
}
"""Language -> family -> (title, what it is and when to use it)."""


@dataclass(frozen=True)
class Translation:
    """What a card says in another language."""

    about: str
    when: str
    avoid: str


CHINESE: dict[str, Translation] = {
    "1-sqrt": Translation(
        "1 减去已完成比例的平方根。",
        "恒定学习率之后的冷却：先快速下降，再停留在低学习率。",
        "作为整个运行的衰减：它一开始就离开峰值。",
    ),
    "constant": Translation(
        "一个固定的值。",
        "短的试运行；预热与冷却之间的平稳段；plateau 规则的底子。",
        "用到运行结束而又以最后的损失评判：结尾有衰减几乎总是更好。",
    ),
    "cosine": Translation(
        "余弦的半个周期，两端平缓。",
        "已知运行长度时的通用衰减：图像分类、预训练、微调。",
        "运行可能提前停止或延长：被截断的余弦到不了低学习率。",
    ),
    "decay": Translation(
        "从上一阶段结束处继续下降到 `to`。",
        "长度未定的运行的冷却：占全程的 10 % 到 20 %。",
        "大模型上短于几百次更新：收益需要时间。",
    ),
    "early_stop": Translation(
        "指标不再改善时结束运行。",
        "预计会过拟合而评估代价不大；与耐心更短的 plateau 一起用。",
        "学习率还高时立即结束：一次运行最好的部分在结尾。请写 then='cooldown 10%'。",
    ),
    "exponential": Translation(
        "恒定的比率，由终值、因子或半衰期给出。",
        "知道节奏时：半衰期，或首末学习率之比。",
        "照搬别处的 gamma：每个 epoch 乘 0.95 和乘 0.9，100 个 epoch 后相差 200 倍。",
    ),
    "formula": Translation(
        "用文本写的任意时间表达式。",
        "其他节点表达不了的曲线。",
        "其他节点能表达时：公式没有名称、没有长度，接缝也不受检查。",
    ),
    "inverse": Translation(
        "时间的负幂。",
        "长度未知的运行：Transformer（幂 1/2），经典随机逼近（幂 1）。",
        "长度已知时：衰减到零的结果更好。",
    ),
    "linear": Translation(
        "从起点到终点的直线。",
        "预热；长度已知的运行衰减到零：对 SGD 和 AdamW 都接近最佳。",
        "作为可能延长的运行的衰减：改用预热、恒定和短的冷却。",
    ),
    "one_cycle": Translation(
        "一个周期，两段（fast.ai，torch 的默认）或三段（论文）。",
        "用 SGD、按范围测试得到的学习率做的短训练。",
        "超出其长度之后，以及可能继续的运行。",
    ),
    "piecewise": Translation(
        "在给定位置经过给定的值。",
        "由途经点给出的曲线，或从别的训练接过来的曲线。",
        "有名称能说得更清楚时：读者得把点画出来才看得到曲线。",
    ),
    "plateau": Translation(
        "指标不再改善时乘以 `factor`。",
        "没有人知道运行多长；数据会变化；在预热之后。",
        "指标噪声大而耐心短：噪声会降低学习率。请用 patience、cooldown 或 significance。",
    ),
    "power": Translation(
        "剩余比例的幂。",
        "语义分割（指数 0.9），BERT 式衰减（指数 1）；大于 1 时低学习率占的时间更长。",
        "指数远离 1 而又没有调过：linear 和 cosine 一样好，还无须调参。",
    ),
    "ramp": Translation(
        "沿任意形状从 `start` 到 `to`。",
        "名称不是 Python 标识符的形状（'1-sqrt'）又要自己的起点；上升到给定的值。",
        "`cosine(...)`、`linear(...)`、`warmup(...)` 或 `decay(...)` 能更短地表达时。",
    ),
    "restarts": Translation(
        "衰减并重启，周期可以变长，峰值可以降低。",
        "随时可取结果：每个周期结束都有一个模型；为集成取快照。",
        "只看最终结果时：全程一个余弦的终点更低。",
    ),
    "rex": Translation(
        "剩余比例，向上弯。",
        "训练预算小：长时间保持高位，结尾陡降。",
        "之后要做权重平均，或需要一长段低学习率。",
    ),
    "steps": Translation(
        "在给定位置或每隔一段乘以 `gamma`。",
        "用 SGD 做分类和检测，里程碑由验证曲线得知。",
        "没有人看过这样的曲线：余弦不需要里程碑。",
    ),
    "tanh": Translation(
        "双曲正切，自变量从 `low` 到 `high`。",
        "长平台加结尾附近的平滑衰减，且衰减的位置（low、high）已调好。",
        "没有调过：预热、恒定、冷却用人能读懂的长度说同一件事。",
    ),
    "triangular": Translation(
        "沿直线上升再下降，周而复始。",
        "探索一段学习率范围；为集成取多个极小值。",
        "作为最终方案：运行在哪里截断，它就停在哪里。",
    ),
    "warmup": Translation(
        "上升到下一阶段的起点；后面没有阶段时上升到基础值。",
        "几乎总是：大批量、类 Adam 方法、Transformer；占全程的 1 % 到 10 %。",
        "以小学习率微调几百次更新：此时它只会浪费更新。",
    ),
    "wsd": Translation(
        "预热、平稳、衰减。",
        "预训练、数据只过少数几遍、可能延长的运行：冷却可以随时开始。",
        "反复看多遍的小数据：全程衰减有正则化作用。",
    ),
}
"""Name -> Chinese. A test keeps it complete."""
