"""What the page of a recommendation says besides the choices themselves."""

from __future__ import annotations

from cadence.findings.finding import Both

WORDS: dict[str, Both] = {
    "title": Both("What to train {kind} with", "如何训练 {kind}"),
    "glance": Both("The recipe", "配方"),
    "why": Both("Why", "理由"),
    "rate": Both("The learning rate over the run", "全程学习率"),
    "pilot": Both("The pilot", "试跑"),
    "pilot_lead": Both(
        "{n} short trainings of this very model, {used} updates of the {budget} that they were given: {share} % of the "
        "run.",
        "对同一模型做了 {n} 次短训练，共 {used} 次更新（预算 {budget}），占全程的 {share}%。",
    ),
    "code": Both("In a loop of your own", "用于自己的训练循环"),
    "recipe": Both("As a recipe for cadence train", "cadence train 的配方"),
    "open": Both("What is not known, and what would tell", "尚不清楚之处，以及如何得知"),
    "notes": Both("Mind this", "请注意"),
    "assumed": Both("Taken for granted", "默认假定"),
    "sure": Both("How sure", "把握程度"),
    "words": Both("What the words of confidence mean", "把握程度的含义"),
    "cost": Both("What it costs", "代价"),
    "field": Both("Field", "项目"),
    "value": Both("Value", "取值"),
    "source": Both("On whose word", "依据"),
    "others": Both("Others say", "其他说法"),
    "trial_rate": Both("Peak rate", "峰值学习率"),
    "trial_updates": Both("Updates", "更新数"),
    "trial_loss": Both("Last losses", "末尾损失"),
    "trial_probe": Both("On unused data", "未使用数据上"),
    "diverged": Both("diverged", "发散"),
    "no_rate": Both("No rate is recommended, so there is no curve to draw.", "没有推荐学习率，因此没有曲线可画。"),
    "contents": Both("Contents", "目录"),
    "skip": Both("To the recipe", "跳到配方"),
    "fact_task": Both("Task", "任务"),
    "fact_model": Both("Trained parameters", "可训练参数"),
    "fact_parts": Both("Of these", "其中"),
    "fact_norms": Both("Normalisation", "归一化"),
    "fact_length": Both("Length", "长度"),
    "fact_batch": Both("Batch", "批量"),
    "fact_data": Both("Data", "数据"),
    "fact_begin": Both("Begins with", "起点"),
    "fact_hardware": Both("Hardware", "硬件"),
    "scratch": Both("random weights", "随机权重"),
    "tuned": Both("trained weights", "已训练的权重"),
    "made_by": Both("Made by cadence {version}.", "由 cadence {version} 生成。"),
}
