"""What the report of a search says, in each language."""

from __future__ import annotations

from collections.abc import Mapping

from cadence._errors import UnknownNameError, neighbours

WORDS: Mapping[str, Mapping[str, str]] = {
    "title": {"en": "Search over {name}", "zh": "对 {name} 的搜索"},
    "lead": {
        "en": "{n} trials by {sampler}, {seeds} each; searched for: {objective}, {better}.",
        "zh": "{n} 次试验，采样器 {sampler}，每次 {seeds}；目标：{objective}，{better}。",
    },
    "lead.one": {
        "en": "{n} trial by {sampler}, {seeds} each; searched for: {objective}, {better}.",
        "zh": "{n} 次试验，采样器 {sampler}，每次 {seeds}；目标：{objective}，{better}。",
    },
    "lower": {"en": "lower is better", "zh": "越低越好"},
    "higher": {"en": "higher is better", "zh": "越高越好"},
    "seeds": {"en": "{n} seeds", "zh": "{n} 个种子"},
    "seeds.one": {"en": "{n} seed", "zh": "{n} 个种子"},
    "final": {"en": "{metric} at the end", "zh": "最终的 {metric}"},
    "best_of": {"en": "best {metric} of a run", "zh": "一次运行中最好的 {metric}"},
    "attention": {"en": "Mind this", "zh": "请注意"},
    "contents": {"en": "Contents", "zh": "目录"},
    "result": {"en": "What was found", "zh": "搜索结果"},
    "confirmed": {"en": "With new seeds", "zh": "用新种子复验"},
    "picture": {"en": "All trials at once", "zh": "全部试验一览"},
    "importance": {"en": "What mattered", "zh": "各项的重要性"},
    "trials": {"en": "Trials", "zh": "试验"},
    "about": {"en": "How to read this", "zh": "如何阅读"},
    "where": {"en": "Where it is", "zh": "存放位置"},
    "skip": {"en": "To the results", "zh": "跳到结果"},
    # ---- cells ----
    "trial": {"en": "Trial", "zh": "试验"},
    "state": {"en": "State", "zh": "状态"},
    "updates": {"en": "Updates", "zh": "更新数"},
    "seconds": {"en": "Seconds", "zh": "用时（秒）"},
    "field": {"en": "Field", "zh": "字段"},
    "range": {"en": "Searched", "zh": "搜索范围"},
    "best": {"en": "Best", "zh": "最佳"},
    "given": {"en": "As given", "zh": "原配方"},
    "recipe": {"en": "Recipe", "zh": "配方"},
    "best_recipe": {"en": "best of the search (trial {number})", "zh": "搜索所得最佳（试验 {number}）"},
    "given_recipe": {"en": "as given", "zh": "原配方"},
    "seed_n": {"en": "Seed {seed}", "zh": "种子 {seed}"},
    "share": {"en": "Share", "zh": "占比"},
    "sentence": {"en": "Remark", "zh": "备注"},
    "finished": {"en": "finished", "zh": "完成"},
    "pruned": {"en": "given up", "zh": "中途放弃"},
    "diverged": {"en": "diverged", "zh": "发散"},
    "failed": {"en": "FAILED", "zh": "失败"},
    "running": {"en": "running", "zh": "进行中"},
    "none": {"en": "–", "zh": "–"},
    "n_state": {"en": "{n} {state}", "zh": "{state} {n} 次"},
    "list_join": {"en": ", ", "zh": "、"},
    "is": {"en": "{name} = {value}", "zh": "{name} = {value}"},
    # ---- sentences ----
    "say_best": {
        "en": "The best of {n} trials is number {number}, with {objective} {value}: {params}.",
        "zh": "{n} 次试验中最好的是第 {number} 号，{objective} 为 {value}：{params}。",
    },
    "say_nothing": {
        "en": "No trial came to its end, so there is no best one: {states}.",
        "zh": "没有一次试验完成，因此没有最佳试验：{states}。",
    },
    "say_optimistic": {
        "en": "That number is too good: it is the best of many on the same data, and luck is part of it. ",
        "zh": "这个数字偏乐观：它是在同一份数据上从多次试验中挑出的最好结果，其中有运气的成分。",
    },
    "say_confirmed": {
        "en": "Trained anew with {n} seeds that no trial had, and judged on validation data that chose "
        "nothing, the best "
        "recipe reaches {value}.",
        "zh": "用 {n} 个试验中未用过的种子重新训练，并在未参与挑选的验证数据上评判，最佳配方达到 {value}。",
    },
    "say_confirmed.one": {
        "en": "Trained anew with a seed that no trial had, and judged on validation data that chose nothing, "
        "the best "
        "recipe reaches {value}; one seed has no interval.",
        "zh": "用 1 个试验中未用过的种子重新训练，并在未参与挑选的验证数据上评判，最佳配方达到 {value}；"
        "一个种子没有区间。",
    },
    "say_unconfirmed": {
        "en": "It was not trained with new seeds (confirm: 0), so nothing says how much of it is luck.",
        "zh": "没有用新种子复验（confirm: 0），因此无从得知其中有多少是运气。",
    },
    "say_broken": {
        "en": "Of {of} runs of the best recipe with new seeds only {n} came to their end: it is not safe.",
        "zh": "最佳配方用新种子的 {of} 次运行中只有 {n} 次完成：它并不稳妥。",
    },
    "say_gap_better": {
        "en": "The recipe as given reaches {value} with the same seeds: the search gains {gap} (95% interval "
        "{low} to "
        "{high}).",
        "zh": "原配方用同样的种子达到 {value}：搜索带来 {gap} 的改进（95% 置信区间 {low} 至 {high}）。",
    },
    "say_gap_worse": {
        "en": "The recipe as given reaches {value} with the same seeds: it is ahead by {gap} (95% interval {low} to "
        "{high}).",
        "zh": "原配方用同样的种子达到 {value}：反而领先 {gap}（95% 置信区间 {low} 至 {high}）。",
    },
    "say_gap_none": {
        "en": "The recipe as given reaches {value} with the same seeds: {gap} apart, which so few seeds may do by "
        "themselves (95% interval {low} to {high}).",
        "zh": "原配方用同样的种子达到 {value}：相差 {gap}，这么少的种子本身就可能造成这样的差距（95% 置信区间 "
        "{low} 至 "
        "{high}）。",
    },
    "say_gap_one": {
        "en": "The recipe as given reaches {value} with the same seed; one seed allows no test.",
        "zh": "原配方用同一个种子达到 {value}；一个种子无法检验。",
    },
    "say_kept": {
        "en": "The recipe as given does better with new seeds than the best of the search, so recipe.yaml is "
        "the recipe "
        "as given.",
        "zh": "用新种子时，原配方优于搜索所得的最佳配方，因此 recipe.yaml 就是原配方。",
    },
    "say_same": {
        "en": "The recipe as given is the best one itself.",
        "zh": "原配方本身就是最佳配方。",
    },
    "say_ties": {
        "en": "{n} other trials cannot be told from the best one, by the spread that seeds make: {numbers}.",
        "zh": "按种子造成的波动，另有 {n} 次试验与最佳试验无法区分：{numbers}。",
    },
    "say_ties.one": {
        "en": "{n} other trial cannot be told from the best one, by the spread that seeds make: {numbers}.",
        "zh": "按种子造成的波动，另有 {n} 次试验与最佳试验无法区分：{numbers}。",
    },
    "say_no_ties": {
        "en": "No other trial that finished is as good as the best one, by the spread that seeds make.",
        "zh": "按种子造成的波动，没有其他已完成的试验与最佳试验一样好。",
    },
    "say_importance": {
        "en": "By {method} over {n} trials, {list}.",
        "zh": "按 {method}（{n} 次试验）：{list}。",
    },
    "say_share": {"en": "{name} makes {share} % of what tells the best from all", "zh": "{name} 占 {share} %"},
    "say_few": {
        "en": "Nothing is said of what mattered: that needs {needs} trials, and there are {n}.",
        "zh": "无法判断各项的重要性：需要 {needs} 次试验，目前有 {n} 次。",
    },
    "say_one_field": {
        "en": "One field was searched, so there is nothing to compare its importance with.",
        "zh": "只搜索了一个字段，无从比较重要性。",
    },
    # ---- what to mind ----
    "mind_low": {
        "en": "{name} of the best trial, {value}, lies at the lower end of what was searched ({range}): better "
        "values may "
        "lie below.",
        "zh": "最佳试验的 {name} 为 {value}，位于搜索范围（{range}）的下端：更小的值可能更好。",
    },
    "mind_high": {
        "en": "{name} of the best trial, {value}, lies at the upper end of what was searched ({range}): better "
        "values may "
        "lie above.",
        "zh": "最佳试验的 {name} 为 {value}，位于搜索范围（{range}）的上端：更大的值可能更好。",
    },
    "mind_blind": {
        "en": "No trial could be given up, because runs are evaluated at their end alone (evaluate: '10%' would help).",
        "zh": "运行只在结束时评估，因此无法中途放弃任何试验（可设 evaluate: '10%'）。",
    },
    "mind_failed": {
        "en": "{n} of {of} trials failed: {sentence}",
        "zh": "{of} 次试验中有 {n} 次失败：{sentence}",
    },
    "mind_seed": {
        "en": "Each trial had one seed: which of two near ones is better, one seed cannot say (seeds: 3 would).",
        "zh": "每次试验只用一个种子：两个相近的试验孰优孰劣，一个种子说不清（可设 seeds: 3）。",
    },
    "mind_pruned": {
        "en": "{n} trials were given up by what they were in the middle of their run; a schedule that pays "
        "late is at a "
        "disadvantage there (--no-prune trains each to its end).",
        "zh": "{n} 次试验因中途表现被放弃；后期才见效的调度在此吃亏（--no-prune 会把每次试验训练到底）。",
    },
    "mind_pruned.one": {
        "en": "{n} trial was given up by what it was in the middle of its run; a schedule that pays late is at a "
        "disadvantage there (--no-prune trains each to its end).",
        "zh": "{n} 次试验因中途表现被放弃；后期才见效的调度在此吃亏（--no-prune 会把每次试验训练到底）。",
    },
    # ---- the picture ----
    "lines": {
        "en": "Each line is a trial; it crosses each axis at its value, and the last one at {objective} ({better}).",
        "zh": "每条线是一次试验，穿过各轴处为其取值，最后一轴为{objective}（{better}）。",
    },
    "line_best": {"en": "the best", "zh": "最佳"},
    "line_third": {"en": "best third of those that finished", "zh": "已完成者中最好的三分之一"},
    "line_other": {"en": "other trials that finished", "zh": "其他已完成的试验"},
    "line_pruned": {"en": "given up on the way (at the value they had)", "zh": "中途放弃（按当时的值）"},
    "left_out": {
        "en": "{n} trials have no value and are not drawn.",
        "zh": "{n} 次试验没有数值，未画出。",
    },
    "left_out.one": {
        "en": "{n} trial has no value and is not drawn.",
        "zh": "{n} 次试验没有数值，未画出。",
    },
    "key": {"en": "{letter}: {text}", "zh": "{letter}：{text}"},
    "scroll": {"en": "All trials, one line each", "zh": "全部试验，每次一条线"},
    # ---- about ----
    "how_trials": {
        "en": "Each trial is the recipe with other values, trained with {seeds} and judged on the data that "
        "are set apart "
        "for choosing (the split `tune`), so that the validation data stay untouched until the end.",
        "zh": "每次试验是换了取值的配方，用 {seeds} 训练，并在专供挑选的数据（`tune` 划分）上评判，"
        "因此验证数据在最后之前未被使用。",
    },
    "how_tpe": {
        "en": "Values were proposed by the tree-structured Parzen estimator (Bergstra et al. 2011), after ten "
        "random trials.",
        "zh": "取值由树形 Parzen 估计器（Bergstra 等，2011）提出，前十次试验为随机。",
    },
    "how_random": {"en": "Values were drawn at random.", "zh": "取值为随机抽取。"},
    "how_grid": {"en": "Values are all combinations, in order.", "zh": "取值为全部组合，按顺序进行。"},
    "how_prune": {
        "en": "Trials were given up by asynchronous successive halving (Li et al. 2020): at {first} % of the "
        "run, and at "
        "{factor} times that share each further time, one of {factor} goes on; the first {spare} always did.",
        "zh": "试验按异步逐次减半（Li 等，2020）放弃：在运行的 {first} % 处以及此后每次 {factor} 倍处，每 "
        "{factor} 次留 1 次；"
        "前 {spare} 次始终训练到底。",
    },
    "how_no_prune": {"en": "Every trial was trained to its end.", "zh": "每次试验都训练到底。"},
    "how_importance": {
        "en": "Importance is by PED-ANOVA (Watanabe et al. 2023): how far the values of the best trials are "
        "from those of "
        "all trials, field by field, where those given up count as worse than those that finished. It says "
        "nothing of what was not searched, and little where trials are few.",
        "zh": "重要性按 PED-ANOVA（Watanabe 等，2023）估计：逐个字段比较最好的试验与全部试验的取值分布。"
        "它不涉及未搜索的内容，试验很少时也说明不了什么。",
    },
    "how_diverged": {
        "en": "A trial that diverged counts as the worst there is; one that failed counts as none.",
        "zh": "发散的试验按最差处理；失败的试验不计。",
    },
    "at_study": {"en": "Study", "zh": "研究"},
    "at_database": {"en": "Database", "zh": "数据库"},
    "at_folder": {"en": "Folder", "zh": "文件夹"},
    "at_updates": {"en": "Updates of all trials", "zh": "全部试验的更新数"},
    "at_made": {"en": "Made by", "zh": "生成者"},
    "files": {
        "en": "Recipe: {recipe}\nReport: {page}\nTable: {table}\nRuns: {runs}",
        "zh": "配方：{recipe}\n报告：{page}\n表格：{table}\n运行记录：{runs}",
    },
    "more_rows": {"en": "{n} more in {table}", "zh": "另有 {n} 行见 {table}"},
}
"""Key -> language -> text; `key.one` for exactly one. Values are put in with `str.format`."""


class SweepPhrases:
    """The messages in one language.

    Args:
        lang: ``"en"`` or ``"zh"``.

    Raises:
        UnknownNameError: another language.

    Example:
        >>> SweepPhrases("en")("seeds", n=1), SweepPhrases("en")("seeds", n=3)
        ('1 seed', '3 seeds')
    """

    def __init__(self, lang: str = "en") -> None:
        if lang not in ("en", "zh"):
            raise UnknownNameError(f"there is no report in {lang!r}; {neighbours(lang, ['en', 'zh'])}")
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """The message `key` with values put in."""
        if values.get("n") == 1 and f"{key}.one" in WORDS:
            key += ".one"
        return WORDS[key][self.lang].format(**values)

    def list(self, parts: list[str]) -> str:
        """Parts of a list, one after the other."""
        return self("list_join").join(parts)
