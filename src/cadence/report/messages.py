"""Every sentence of a report, in every language, in one place.

A message whose wording depends on a number has two entries: `key` and, for exactly one, `key.one`. Values are put in
with `str.format`; what a recipe or a folder calls itself comes in as a value and is never a format string.
"""

from __future__ import annotations

from collections.abc import Mapping

from cadence._errors import UnknownNameError, neighbours

LANGUAGES = {"en": "English", "zh": "中文"}

METRICS = frozenset({"accuracy", "bits_per_byte"})
"""Names of metrics that have a translation."""

MESSAGES: Mapping[str, Mapping[str, str]] = {
    # ---- words and headings ----
    "title": {"en": "Comparison of training recipes", "zh": "训练配方对比报告"},
    "results": {"en": "Results", "zh": "结果"},
    "recipe": {"en": "Recipe", "zh": "配方"},
    "seed": {"en": "Seed", "zh": "种子"},
    "status": {"en": "Status", "zh": "状态"},
    "accuracy": {"en": "Accuracy", "zh": "准确率"},
    "bits_per_byte": {"en": "Bits per byte", "zh": "每字节比特数"},
    "val_loss": {"en": "Validation loss", "zh": "验证损失"},
    "train_loss": {"en": "Training loss", "zh": "训练损失"},
    "time_to_target": {"en": "Updates to baseline's loss", "zh": "达标更新数"},
    "seconds": {"en": "Seconds", "zh": "用时（秒）"},
    "learning_rate": {"en": "Learning rate", "zh": "学习率"},
    "tuned_rate": {"en": "Tuned rate", "zh": "调得的学习率"},
    "against_baseline": {"en": "Against baseline", "zh": "与基线相比"},
    "difference": {"en": "Difference", "zh": "差值"},
    "interval": {"en": "95% interval", "zh": "95% 置信区间"},
    "p": {"en": "p", "zh": "p 值"},
    "p_holm": {"en": "p, corrected", "zh": "校正后 p 值"},
    "smallest_gap": {"en": "Smallest gap", "zh": "可检出的最小差距"},
    "verdict": {"en": "Verdict", "zh": "结论"},
    "updates": {"en": "Updates", "zh": "更新数"},
    "update": {"en": "Update", "zh": "更新"},
    "folder": {"en": "Folder", "zh": "文件夹"},
    "schedule": {"en": "Schedule", "zh": "调度"},
    "chosen": {"en": "chosen", "zh": "选中"},
    "rate_n": {"en": "Rate {i}", "zh": "学习率 {i}"},
    "range": {"en": "{low} to {high}", "zh": "{low} 至 {high}"},
    "list_join": {"en": ", ", "zh": "、"},
    "clause_join": {"en": "; ", "zh": "；"},
    "sentence_join": {"en": " ", "zh": ""},
    "remark": {"en": "{text} ({remark})", "zh": "{text}（{remark}）"},
    "labelled": {"en": "{label}: {text}", "zh": "{label}：{text}"},
    "about": {"en": "How to read this", "zh": "如何阅读"},
    "attention": {"en": "Mind this", "zh": "请注意"},
    "environment": {"en": "Where it was run", "zh": "运行环境"},
    # ---- two frameworks ----
    "twin": {"en": "{first} and {second}", "zh": "{first} 与 {second}"},
    "twin_rates_equal": {
        "en": "the learning rates are the same numbers in all {updates} updates of {n} seeds.",
        "zh": "{n} 个种子的全部 {updates} 次更新中，学习率数值完全相同。",
    },
    "twin_rates_equal.one": {
        "en": "the learning rates are the same numbers in all {updates} updates of the seed.",
        "zh": "该种子的全部 {updates} 次更新中，学习率数值完全相同。",
    },
    "twin_rates_differ": {
        "en": "the learning rates DIFFER within {updates} updates of {n} seeds.",
        "zh": "{n} 个种子的 {updates} 次更新中，学习率不同。",
    },
    "twin_rates_differ.one": {
        "en": "the learning rates DIFFER within {updates} updates of the seed.",
        "zh": "该种子的 {updates} 次更新中，学习率不同。",
    },
    "twin_losses": {
        "en": "The losses of single updates differ by at most {list}.",
        "zh": "单次更新的损失最多相差：{list}。",
    },
    "twin_loss": {"en": "{gap} % in the first {n}", "zh": "前 {n} 次 {gap} %"},
    "twin_loss.one": {"en": "{gap} % in the first", "zh": "第一次 {gap} %"},
    "twin_final": {
        "en": "The final validation losses differ by at most {gap} %.",
        "zh": "最终验证损失最多相差 {gap} %。",
    },
    # ---- cells ----
    "baseline": {"en": "baseline", "zh": "基线"},
    "better": {"en": "better", "zh": "更好"},
    "worse": {"en": "worse", "zh": "更差"},
    "no_difference": {"en": "no difference seen", "zh": "未见差异"},
    "not_significant_after_correction": {"en": "no difference shown", "zh": "差异未获证实"},
    "identical": {"en": "identical", "zh": "完全相同"},
    "one_seed": {"en": "not tested", "zh": "未检验"},
    "diverged": {"en": "diverged", "zh": "发散"},
    "failed": {"en": "failed", "zh": "失败"},
    "unfinished": {"en": "unfinished", "zh": "未完成"},
    "missing": {"en": "not begun", "zh": "未开始"},
    "finished": {"en": "finished", "zh": "完成"},
    "stopped": {"en": "stopped early", "zh": "提前停止"},
    "baseline_incomplete": {"en": "not tested", "zh": "未检验"},
    "none": {"en": "–", "zh": "–"},
    "runs_of": {"en": "{n} of {of} runs", "zh": "{of} 次运行中的 {n} 次"},
    "status_of": {"en": "{n} of {of} {status}", "zh": "{of} 次中 {n} 次{status}"},
    "reached": {"en": "{n}/{of} reached", "zh": "{n}/{of} 达到"},
    # ---- verdicts ----
    "say_baseline": {
        "en": "the baseline; it ends at a validation loss of {loss}.",
        "zh": "基线，最终验证损失为 {loss}。",
    },
    "say_baseline_bad": {"en": "the baseline; {status}.", "zh": "基线；{status}。"},
    "say_better": {
        "en": "better by {gap} (95% interval {low} to {high}; corrected p {p}).",
        "zh": "更好，损失低 {gap}（95% 置信区间 {low} 至 {high}；校正后 p {p}）。",
    },
    "say_worse": {
        "en": "worse by {gap} (95% interval {low} to {high}; corrected p {p}).",
        "zh": "更差，损失高 {gap}（95% 置信区间 {low} 至 {high}；校正后 p {p}）。",
    },
    "say_better_exactly": {
        "en": "better by exactly {gap} with every seed.",
        "zh": "更好，每个种子的损失都恰好低 {gap}。",
    },
    "say_worse_exactly": {
        "en": "worse by exactly {gap} with every seed.",
        "zh": "更差，每个种子的损失都恰好高 {gap}。",
    },
    "say_no_difference": {
        "en": "no difference seen; these {n} seeds could have shown a gap of {gap} or more.",
        "zh": "未见差异；这 {n} 个种子能检出 {gap} 或更大的差距。",
    },
    "say_lower_uncorrected": {
        "en": "no difference shown: {gap} lower on average, but p {p} becomes {corrected} when corrected for {count} "
        "comparisons; these {n} seeds could have shown a gap of {smallest} or more.",
        "zh": "差异未获证实：平均低 {gap}，但 p {p} 按 {count} 次比较校正后为 {corrected}；"
        "这 {n} 个种子能检出 {smallest} 或更大的差距。",
    },
    "say_higher_uncorrected": {
        "en": "no difference shown: {gap} higher on average, but p {p} becomes {corrected} when corrected for {count} "
        "comparisons; these {n} seeds could have shown a gap of {smallest} or more.",
        "zh": "差异未获证实：平均高 {gap}，但 p {p} 按 {count} 次比较校正后为 {corrected}；"
        "这 {n} 个种子能检出 {smallest} 或更大的差距。",
    },
    "say_identical": {
        "en": "no difference at all; it ends at exactly the baseline's loss with every seed.",
        "zh": "毫无差异；每个种子的最终损失都与基线完全相同。",
    },
    "say_one_seed_lower": {
        "en": "{gap} lower than the baseline with the only seed; one seed has no interval and allows no test.",
        "zh": "在唯一的种子上比基线低 {gap}；只有一个种子，既无区间也无法检验。",
    },
    "say_one_seed_higher": {
        "en": "{gap} higher than the baseline with the only seed; one seed has no interval and allows no test.",
        "zh": "在唯一的种子上比基线高 {gap}；只有一个种子，既无区间也无法检验。",
    },
    "say_incomplete": {
        "en": "{status}; no test is made of the runs that are left.",
        "zh": "{status}；不对剩下的运行做检验。",
    },
    "say_all_incomplete": {"en": "{status}; there is no result.", "zh": "{status}；没有结果。"},
    "say_baseline_incomplete": {
        "en": "not tested, because not every run of the baseline has a result.",
        "zh": "未检验，因为基线并非每次运行都有结果。",
    },
    # ---- conclusion of a data set ----
    "end_none": {
        "en": "No difference seen: with {n} seeds none of the {count} recipes can be told from the baseline "
        "{baseline}. A gap in validation loss of {gap} would have shown.",
        "zh": "未见差异：用 {n} 个种子，{count} 个配方都无法与基线 {baseline} 区分开。验证损失若相差 {gap}，本可检出。",
    },
    "end_none_one": {
        "en": "No difference seen: with {seeds} seeds the recipe {name} cannot be told from the baseline {baseline}. "
        "A gap in validation loss of {gap} would have shown.",
        "zh": "未见差异：用 {seeds} 个种子，配方 {name} 无法与基线 {baseline} 区分开。验证损失若相差 {gap}，本可检出。",
    },
    "end_better": {
        "en": "{n} of {count} recipes end at a lower validation loss than the baseline {baseline}: {list}.",
        "zh": "{count} 个配方中有 {n} 个的最终验证损失低于基线 {baseline}：{list}。",
    },
    "end_better.one": {
        "en": "{n} of {count} recipes ends at a lower validation loss than the baseline {baseline}: {list}.",
        "zh": "{count} 个配方中有 {n} 个的最终验证损失低于基线 {baseline}：{list}。",
    },
    "end_worse": {
        "en": "{n} of {count} recipes end at a higher validation loss than the baseline {baseline}: {list}.",
        "zh": "{count} 个配方中有 {n} 个的最终验证损失高于基线 {baseline}：{list}。",
    },
    "end_worse.one": {
        "en": "{n} of {count} recipes ends at a higher validation loss than the baseline {baseline}: {list}.",
        "zh": "{count} 个配方中有 {n} 个的最终验证损失高于基线 {baseline}：{list}。",
    },
    "gap_one": {"en": "{gap} or more", "zh": "{gap} 或更多"},
    "gap_range": {
        "en": "{low} to {high} or more, depending on the recipe,",
        "zh": "{low} 至 {high} 或更多（因配方而异）",
    },
    "end_by": {"en": "{name} by {gap}", "zh": "{name}（相差 {gap}）"},
    "end_rest": {
        "en": "No difference from it is seen for {list}; a gap of {gap} would have shown.",
        "zh": "未见 {list} 与它有差异；若相差 {gap}，本可检出。",
    },
    "end_untested": {"en": "Not tested: {list}.", "zh": "未检验：{list}。"},
    "end_untested_item": {"en": "{name} ({why})", "zh": "{name}（{why}）"},
    "end_one_seed": {
        "en": "One seed tells nothing about chance: the numbers below are single results without interval or test.",
        "zh": "只有一个种子，无从判断偶然性：下面的数字都是单次结果，没有区间，也没有检验。",
    },
    "end_baseline_bad": {
        "en": "The baseline {baseline} has no complete result ({status}), so nothing is compared with it.",
        "zh": "基线 {baseline} 没有完整结果（{status}），因此没有与之比较。",
    },
    "end_alone": {
        "en": "There is one recipe, and nothing to compare it with.",
        "zh": "只有一个配方，没有可比较的对象。",
    },
    "end_fastest": {
        "en": "The baseline's final loss is reached soonest by {name}: {time} of {total} updates.",
        "zh": "最快达到基线最终损失的是 {name}：{total} 次更新中的 {time} 次。",
    },
    # ---- method ----
    "how_seeds": {
        "en": "Every recipe was trained with the same seeds ({seeds}). The seed fixes the initial weights and "
        "the order of "
        "the data. A number after ± is half of the 95% interval of the mean over seeds (Student's t): it covers the "
        "chance of the seed, not other data or other models.",
        "zh": "每个配方都用相同的种子训练（{seeds}）。种子决定初始权重和数据顺序。± 之后的数是各种子均值的 95% "
        "置信区间（学生 t 分布）的一半：它只反映种子带来的偶然性，不涉及别的数据或模型。",
    },
    "how_seeds_task": {"en": "{task}: {text}", "zh": "{task}：{text}"},
    "how_baseline": {"en": "The baseline is {list}.", "zh": "基线是 {list}。"},
    "how_baseline_task": {"en": "{text} on {task}", "zh": "{task} 上的 {text}"},
    "how_test": {
        "en": "Better and worse are said of the validation loss at the end: paired t-test by seed against the "
        "baseline, "
        "two-sided, with Holm's correction for {count} per data set, at a level of 5%. Each interval stands for "
        "itself. The recipes were not tested against each other.",
        "zh": "“更好”和“更差”指最终验证损失：按种子与基线做双侧配对 t 检验，每个数据集按 {count}做 Holm 校正，"
        "显著性水平 5%。各区间单独成立。配方之间没有相互检验。",
    },
    "comparisons": {"en": "{n} comparisons", "zh": "{n} 次比较"},
    "comparisons.one": {"en": "{n} comparison", "zh": "{n} 次比较"},
    "how_gap": {
        "en": "The smallest gap is the true difference that these seeds would have shown with a probability of "
        "80% at the "
        "corrected level, given the spread that was seen. With so few seeds that spread is itself uncertain.",
        "zh": "“可检出的最小差距”指在校正后的水平下、按所见的离散程度，这些种子有 80% 的概率能显示出来的真实差值。"
        "种子这么少时，离散程度本身也不确定。",
    },
    "how_target": {
        "en": "Updates to baseline's loss (time to target, what an article may call convergence): updates until an "
        "evaluation is first at or below the final validation loss of the baseline with the same seed. "
        "Evaluations: {every}. "
        "A seed that never gets there is not left out: it counts as the length of its run, so that the mean, then "
        "marked ≥, is a lower bound (restricted mean); how many seeds did get there stands beside it.",
        "zh": "“达标更新数”（达到基线最终损失所需的更新数，也就是文章里所说的“收敛”）："
        "某次评估的验证损失首次不高于同一种子基线的"
        "最终验证损失时，已完成的更新数。评估间隔：{every}。始终没有达到的种子并不剔除，而是按其运行长度计入，"
        "因此均值（此时标 ≥）是下界（限制均值）；旁边注明有几个种子达到。",
    },
    "how_target_task": {"en": "every {n} updates on {task}", "zh": "{task} 每 {n} 次更新"},
    "how_tuning": {
        "en": "Every recipe got the same tuning budget: {n} base learning rates, a factor {factor} apart, one "
        "run each with "
        "seed {seed}, judged on a split of the data that is not the reported one.",
        "zh": "每个配方的调参预算相同：{n} 个基础学习率，相邻相差 {factor} 倍，各用种子 {seed} 训练一次，"
        "在一份与报告所用不同的数据划分上评判。",
    },
    "how_tuning_plain": {
        "en": "Every recipe got the same tuning budget: {n} base learning rates, one run each with seed {seed}, "
        "judged on a "
        "split of the data that is not the reported one.",
        "zh": "每个配方的调参预算相同：{n} 个基础学习率，各用种子 {seed} 训练一次，"
        "在一份与报告所用不同的数据划分上评判。",
    },
    "how_untuned": {
        "en": "No learning rate was tuned: each recipe ran at the rate that it names.",
        "zh": "没有调学习率：每个配方都按自己写明的学习率运行。",
    },
    "how_unequal": {
        "en": "The tuning budgets differ: {list}.",
        "zh": "调参预算不相同：{list}。",
    },
    "how_rates": {"en": "{name} {n} rates", "zh": "{name} {n} 个学习率"},
    "how_rates.one": {"en": "{name} {n} rate", "zh": "{name} {n} 个学习率"},
    "how_on": {"en": "On {task}: {text}", "zh": "在 {task} 上：{text}"},
    "how_incomplete": {
        "en": "A mean is over the runs that came to an end. A recipe with a run that diverged or failed is not tested.",
        "zh": "均值只对正常结束的运行计算。只要有一次运行发散或失败，该配方就不做检验。",
    },
    # ---- warnings ----
    "mind_edge_lowest": {
        "en": "On {task}, the tuned rate of {recipe} ({rate}) is the lowest of those tried; a better one may lie "
        "below.",
        "zh": "在 {task} 上，{recipe} 调得的学习率（{rate}）是试过的最小值；更好的可能还在其下。",
    },
    "mind_edge_highest": {
        "en": "On {task}, the tuned rate of {recipe} ({rate}) is the highest of those tried; a better one may "
        "lie above.",
        "zh": "在 {task} 上，{recipe} 调得的学习率（{rate}）是试过的最大值；更好的可能还在其上。",
    },
    "mind_budget": {
        "en": "On {task}, the recipes did not get the same tuning budget, which favours those that got more.",
        "zh": "在 {task} 上，各配方的调参预算不同，这有利于预算多的配方。",
    },
    "mind_lengths": {
        "en": "On {task}, the recipes run for different numbers of updates ({low} to {high}); the longer have "
        "more time.",
        "zh": "在 {task} 上，各配方的更新数不同（{low} 至 {high}）；长的占了时间上的便宜。",
    },
    "mind_runs": {"en": "On {task}, {recipe}: {status}.", "zh": "在 {task} 上，{recipe}：{status}。"},
    "mind_finding": {
        "en": "On {task}, {recipe}, {code}: {message} (seeds {seeds})",
        "zh": "在 {task} 上，{recipe}，{code}：{message}（种子 {seeds}）",
    },
    "mind_environment": {
        "en": "Not all runs were made in the same environment; these parts differ: {list}.",
        "zh": "并非所有运行都在同一环境中进行，以下部分不同：{list}。",
    },
    # ---- environment ----
    "env_command": {"en": "Command", "zh": "命令"},
    "env_started": {"en": "Started", "zh": "开始时间"},
    "env_machine": {"en": "Machine", "zh": "机器"},
    "env_time": {"en": "Where the time went", "zh": "时间去向"},
    "spent_data": {"en": "{share} waiting for data", "zh": "等待数据 {share}"},
    "spent_update": {"en": "{share} updates", "zh": "更新 {share}"},
    "spent_evaluation": {"en": "{share} evaluations", "zh": "评估 {share}"},
    "spent_checkpoint": {"en": "{share} checkpoints", "zh": "检查点 {share}"},
    "env_python": {"en": "Python", "zh": "Python"},
    "env_packages": {"en": "Packages", "zh": "软件包"},
    "env_git": {"en": "Source", "zh": "源代码版本"},
    "env_dirty": {"en": "{commit}, with changes not committed", "zh": "{commit}，含未提交的修改"},
    "env_data": {"en": "Data", "zh": "数据"},
    "env_folder": {"en": "Folder", "zh": "文件夹"},
    "device": {"en": "trained on {name}", "zh": "在 {name} 上训练"},
    "threads": {"en": "{n} threads per run", "zh": "每次运行 {n} 个线程"},
    "threads.one": {"en": "{n} thread per run", "zh": "每次运行 {n} 个线程"},
    "cpus": {"en": "{n} CPUs", "zh": "{n} 个 CPU"},
    "cpus.one": {"en": "{n} CPU", "zh": "{n} 个 CPU"},
    # ---- tables and pictures ----
    "caption_results": {
        "en": "{task}: mean over {seeds}, ± half of the 95% interval",
        "zh": "{task}：{seeds}的均值，± 为 95% 置信区间的一半",
    },
    "caption_one": {"en": "{task}: one seed, no interval", "zh": "{task}：一个种子，没有区间"},
    "recipes": {"en": "{n} recipes", "zh": "{n} 个配方"},
    "recipes.one": {"en": "{n} recipe", "zh": "{n} 个配方"},
    "seeds": {"en": "{n} seeds", "zh": "{n} 个种子"},
    "seeds.one": {"en": "{n} seed", "zh": "{n} 个种子"},
    "caption_tests": {
        "en": "{task}: validation loss at the end, recipe minus baseline {baseline}; below zero is better",
        "zh": "{task}：最终验证损失，配方减去基线 {baseline}；负值更好",
    },
    "caption_tuning": {
        "en": "{task}: rates that were tried, and the loss each came to on the split kept for tuning",
        "zh": "{task}：试过的学习率，及其在专用于调参的数据划分上的最终损失",
    },
    "caption_runs": {"en": "{task}: every run", "zh": "{task}：每次运行"},
    "tests": {"en": "Tests", "zh": "检验"},
    "tuning": {"en": "Tuning", "zh": "调参"},
    "every_run": {"en": "Every run", "zh": "每次运行"},
    "curves": {"en": "Curves", "zh": "曲线"},
    "figure_lr": {"en": "Learning rate", "zh": "学习率"},
    "figure_val": {"en": "Validation loss", "zh": "验证损失"},
    "figure_train": {"en": "Training loss", "zh": "训练损失"},
    "axis_update": {"en": "update", "zh": "更新"},
    "log_scale": {"en": "logarithmic scale", "zh": "对数坐标"},
    "curves_caption": {
        "en": "Bold: mean over seeds; thin: each seed.",
        "zh": "粗线：各种子均值；细线：每个种子。",
    },
    "curves_caption_train": {
        "en": "Each point is the mean of {n} updates.",
        "zh": "每个点是 {n} 次更新的均值。",
    },
    "curves_clipped": {
        "en": "Parts of curves lie outside the picture.",
        "zh": "部分曲线超出图外。",
    },
    "slider": {"en": "Update to read the curves at", "zh": "读取曲线数值的更新"},
    "slider_help": {
        "en": "Point at a curve, or move the slider with the arrow keys, to read the values there.",
        "zh": "将指针移到曲线上，或用方向键移动滑块，即可读取该处的数值。",
    },
    "show_recipes": {"en": "Recipes shown", "zh": "显示的配方"},
    "alt_lr": {
        "en": "{name}: {schedule}; {first} at the first update, at most {top}, {last} at the last.",
        "zh": "{name}：{schedule}；首次更新时 {first}，最高 {top}，最后一次 {last}。",
    },
    "alt_loss": {
        "en": "{name}: from {first} after {t_first} updates to {last} after {t_last}, lowest {low}.",
        "zh": "{name}：从第 {t_first} 次更新后的 {first} 到第 {t_last} 次后的 {last}，最低 {low}。",
    },
    "alt_ratio": {
        "en": "{name}: an update moved the weights by {first} of their norm at update {t_first}, by {last} at update "
        "{t_last}; between {low} and {high}.",
        "zh": "{name}：第 {t_first} 次更新使权重移动其范数的 {first}，第 {t_last} 次为 {last}；"
        "介于 {low} 与 {high} 之间。",
    },
    "log_scale_note": {"en": "Logarithmic scale.", "zh": "对数坐标。"},
    # ---- what updates really did ----
    "effects": {"en": "What each group really did", "zh": "各参数组的实际更新"},
    "effects_figure": {
        "en": "Norm of the update over norm of the weights, measured at some of the updates.",
        "zh": "更新量范数与权重范数之比，隔若干次更新测一次。",
    },
    "effects_in_words": {"en": "These curves in words", "zh": "用文字描述这些曲线"},
    "group": {"en": "Group", "zh": "参数组"},
    "groups_shown": {"en": "Groups shown", "zh": "显示的参数组"},
    "some_groups": {
        "en": "{n} of {of} groups are drawn; the table has all of them.",
        "zh": "图中只画了 {of} 个参数组中的 {n} 个；表中是全部。",
    },
    "update_ratio": {"en": "Update / weights", "zh": "更新量／权重"},
    "weight_norm": {"en": "Norm of the weights", "zh": "权重范数"},
    "trust_ratio": {"en": "Trust ratio", "zh": "信任比"},
    "decay_sum": {"en": "Sum of the decay", "zh": "衰减之和"},
    "half_life": {"en": "Half-life of the decay", "zh": "衰减的半衰期"},
    "caption_effects": {
        "en": "{task}: how far an update moved the weights of a group, as a share of their norm (median, and range); "
        "the norm at the beginning and at the end; the sum of the decay's rates over all updates (learning rate × "
        "weight decay, where they are coupled), and what it would leave of a weight that has no gradient",
        "zh": "{task}：一次更新使参数组的权重移动了其范数的多少（中位数及范围）；开始与结束时的范数；"
        "所有更新的衰减率之和（若二者耦合，即学习率 × 权重衰减），以及没有梯度的权重会剩下多少",
    },
    "leaves": {"en": "leaves {share}", "zh": "剩余 {share}"},
    "cell_gradient": {"en": "in the gradient (L2)", "zh": "在梯度中（L2）"},
    "cell_adapted": {"en": "scaled by the trust ratio", "zh": "随信任比缩放"},
    "n_updates": {"en": "{number} updates", "zh": "{number} 次更新"},
    "n_epochs": {"en": "{number} epochs", "zh": "{number} 轮"},
    "group_says": {"en": "group {name}: {text}", "zh": "参数组 {name}：{text}"},
    "more_groups": {"en": "and {n} more groups.", "zh": "另有 {n} 个参数组。"},
    "more_groups.one": {"en": "and {n} more group.", "zh": "另有 {n} 个参数组。"},
    "sentence_end": {"en": "{text}.", "zh": "{text}。"},
    "moved": {
        "en": "an update moved the weights by {median} of their norm (median; {range})",
        "zh": "一次更新使权重移动其范数的 {median}（中位数；{range}）",
    },
    "trusted": {
        "en": "trust ratio {median} (median; {range})",
        "zh": "信任比 {median}（中位数；{range}）",
    },
    "decayed": {
        "en": "the rates of weight decay add up to {sum}, which would leave {left} of a weight (half-life {half_life})",
        "zh": "权重衰减率之和为 {sum}，权重会剩下 {left}（半衰期 {half_life}）",
    },
    "decay_none": {"en": "no weight decay", "zh": "没有权重衰减"},
    "decay_gradient": {
        "en": "its weight decay is part of the gradient (L2) and has no rate of its own",
        "zh": "权重衰减是梯度的一部分（L2），没有自己的衰减率",
    },
    "decay_adapted": {
        "en": "its weight decay is scaled by the trust ratio of each tensor",
        "zh": "权重衰减随每个张量的信任比缩放",
    },
    # ---- rates for another batch ----
    "rate_scaled": {"en": "× {factor} = {rate}", "zh": "× {factor} = {rate}"},
    "how_scaled": {
        "en": "{list}: the learning rate is stated for {reference} examples per update and scaled to {batch} "
        "({rule} rule, × {factor}); the table shows the stated one, and what came of it.",
        "zh": "{list}：学习率按每次更新 {reference} 个样本给出，并放大到 {batch} 个（{rule}规则，× {factor}）；"
        "表中先列给出的值，再列实际值。",
    },
    "rule_linear": {"en": "linear", "zh": "线性"},
    "rule_sqrt": {"en": "square root", "zh": "平方根"},
    "nothing": {"en": "Nothing has been recorded.", "zh": "没有任何记录。"},
    "alt_empty": {"en": "{name}: nothing recorded.", "zh": "{name}：没有记录。"},
    "schedules": {"en": "{n} schedules", "zh": "{n} 个调度"},
    "schedules_shown": {"en": "Schedules shown", "zh": "显示的调度"},
    "mark": {"en": "{number}  update {t}: {text}", "zh": "{number}  更新 {t}：{text}"},
    "mark_at": {"en": "Update {t}: {text}", "zh": "更新 {t}：{text}"},
    "more_marks": {"en": "and {n} more changes", "zh": "另有 {n} 处变化"},
    "more_marks.one": {"en": "and {n} more change", "zh": "另有 {n} 处变化"},
    "events": {"en": "What happens when", "zh": "何时发生什么"},
    "in_words_one": {"en": "The curve in words", "zh": "用文字描述曲线"},
    "in_words": {"en": "The curves in words", "zh": "用文字描述曲线"},
    "made_by": {"en": "Made by cadence {version}", "zh": "由 cadence {version} 生成"},
    "contents": {"en": "On this page", "zh": "本页内容"},
    "seed_n": {"en": "seed {n}", "zh": "种子 {n}"},
    "mean_word": {"en": "mean", "zh": "均值"},
}
"""Key -> language -> text."""


class Phrases:
    """The messages in one language.

    Args:
        lang: ``"en"`` or ``"zh"``.

    Raises:
        UnknownNameError: another language.

    Example:
        >>> say = Phrases("en")
        >>> say("seeds", n=3), say("seeds", n=1)
        ('3 seeds', '1 seed')
    """

    def __init__(self, lang: str = "en") -> None:
        if lang not in LANGUAGES:
            raise UnknownNameError(f"there is no report in {lang!r}; {neighbours(lang, LANGUAGES)}")
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """The message `key` with values put in."""
        if values.get("n") == 1 and f"{key}.one" in MESSAGES:
            key += ".one"
        return MESSAGES[key][self.lang].format(**values)

    def metric(self, name: str) -> str:
        """The word for a metric where it is a known one, else what it is called."""
        return self(name) if name in METRICS else name

    def list(self, parts: list[str]) -> str:
        """Parts of a list, one after the other."""
        return self("list_join").join(parts)
