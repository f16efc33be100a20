"""What commands say to people, in each language."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "tuning": {"en": "tuning", "zh": "调参"},
    "run": {"en": "run", "zh": "运行"},
    "seed": {"en": "seed {seed}", "zh": "种子 {seed}"},
    "rate": {"en": "rate {rate}", "zh": "学习率 {rate}"},
    "preparing": {"en": "looking at the recipes", "zh": "正在检查配方"},
    "finished": {"en": "finished", "zh": "完成"},
    "stopped": {"en": "stopped by its rule", "zh": "按规则停止"},
    "diverged": {"en": "diverged", "zh": "发散"},
    "failed": {"en": "FAILED", "zh": "失败"},
    "again": {"en": "{sentence}; it is tried once more", "zh": "{sentence}；再试一次"},
    "left": {"en": "{time} left", "zh": "还需 {time}"},
    "trainings": {"en": "{done} of {of} trainings", "zh": "{of} 次训练中已完成 {done} 次"},
    "interrupted": {
        "en": "interrupted after {done} of {of} trainings; the same command continues where it stopped",
        "zh": "在 {of} 次训练中的 {done} 次之后中断；同一命令会从中断处继续",
    },
    "interrupted_early": {
        "en": "interrupted before the first training; the same command starts again",
        "zh": "在第一次训练之前中断；同一命令会重新开始",
    },
    "train_interrupted": {
        "en": "interrupted after {t} updates; the same command continues from the last checkpoint",
        "zh": "在 {t} 次更新之后中断；同一命令会从最近的检查点继续",
    },
    "train_stopped": {
        "en": "stopped from outside after {t} updates, at a checkpoint; the same command continues",
        "zh": "在 {t} 次更新之后由外部命令停止于检查点；同一命令会继续",
    },
    "steer_title": {"en": "{value} before and after", "zh": "{value}：之前与之后"},
    "before": {"en": "before", "zh": "之前"},
    "after": {"en": "after", "zh": "之后"},
    "steer_preview": {"en": "Nothing was changed (--dry-run).", "zh": "未作任何更改（--dry-run）。"},
    "steer_applied": {"en": "Done, from update {t} on.", "zh": "已生效，自第 {t} 次更新起。"},
    "steer_waiting": {
        "en": "Follows when the run is continued: cadence train {recipe} --out {folder}",
        "zh": "将在继续运行时生效：cadence train {recipe} --out {folder}",
    },
    "steer_slow": {"en": "Not answered yet.", "zh": "尚无应答。"},
    "branched": {
        "en": "{out} begins at update {t} of {folder}; train it with: cadence train {recipe} --out {out}",
        "zh": "{out} 始于 {folder} 的第 {t} 次更新；训练命令：cadence train {recipe} --out {out}",
    },
    "standing": {
        "en": "{folder}: {status}, update {t} of {total}",
        "zh": "{folder}：{status}，第 {t} 次更新，共 {total} 次",
    },
    "standing_by": {"en": "by process {pid} on {host} since {since}", "zh": "进程 {pid}，主机 {host}，始于 {since}"},
    "standing_waiting": {"en": "waits to be followed: {command}", "zh": "等待执行：{command}"},
    "files": {
        "en": "Report: {page}\nPicture: {picture}\nTable: {table}\nRuns: {folder}",
        "zh": "报告：{page}\n图：{picture}\n表格：{table}\n运行记录：{folder}",
    },
    "bad_runs": {
        "en": "{n} of {of} runs diverged or failed; why stands in their result.json, and the same command tries "
        "the failed "
        "ones again",
        "zh": "{of} 次运行中有 {n} 次发散或失败；原因见各自的 result.json，同一命令会重试失败的运行",
    },
    "sweep_interrupted": {
        "en": "interrupted after {done} trials; the same command continues where it stopped",
        "zh": "在 {done} 次试验之后中断；同一命令会从中断处继续",
    },
    "sweep_trial": {"en": "trial {number}", "zh": "试验 {number}"},
    "sweep_done": {
        "en": "{done} of {of} trials, {running} running",
        "zh": "{of} 次试验中已完成 {done} 次，{running} 次进行中",
    },
    "sweep_number": {"en": "Trial", "zh": "试验"},
    "sweep_value": {"en": "Value", "zh": "目标值"},
    "sweep_state": {"en": "State", "zh": "状态"},
    "sweep_values": {"en": "Values", "zh": "取值"},
    "sweep_finished": {"en": "finished", "zh": "完成"},
    "sweep_pruned": {"en": "given up", "zh": "中途放弃"},
    "sweep_diverged": {"en": "diverged", "zh": "发散"},
    "sweep_failed": {"en": "FAILED", "zh": "失败"},
    "sweep_running": {"en": "running", "zh": "进行中"},
    "sweep_waits": {
        "en": "waiting for trials that other processes are at work on",
        "zh": "正在等待其他进程正在进行的试验",
    },
    "sweep_confirms": {"en": "with a new seed: {job}", "zh": "用新种子复验：{job}"},
    "course": {
        "en": "{total} updates, {per_epoch} in an epoch of {rows} examples; an update takes {samples}{sizes}{rest}",
        "zh": "共 {total} 次更新，每轮 {rows} 个样本为 {per_epoch} 次；每次更新 {samples} 个样本{sizes}{rest}",
    },
    "course_last": {"en": ", the last of an epoch {last}", "zh": "，每轮最后一次为 {last} 个"},
    "course_left_out": {"en": ", {left} of an epoch are left out", "zh": "，每轮舍去 {left} 个"},
    "course_sizes": {"en": " ({sizes})", "zh": "（{sizes}）"},
    "course_batch": {"en": "batches of {n}", "zh": "批大小 {n}"},
    "course_accumulate": {"en": " x {n} accumulated", "zh": " x 累积 {n}"},
    "course_world": {"en": " x {n} processes", "zh": " x 进程 {n}"},
    "course_resized": {
        "en": "the run goes on with updates of another size, {resized}: the curve goes on in examples seen",
        "zh": "此后每次更新的样本数改变，{resized}：曲线按已见样本继续",
    },
    "update": {"en": "update {t} of {total}", "zh": "第 {t} 次更新，共 {total} 次"},
    "labelled": {"en": "{label}: {text}", "zh": "{label}：{text}"},
    "ended_badly": {"en": "{status}. {sentence}", "zh": "{status}。{sentence}"},
    "ended": {
        "en": "{status} after {t} updates in {seconds} s: {metrics}",
        "zh": "{status}：{t} 次更新，{seconds} 秒：{metrics}",
    },
    "scaled": {
        "en": "Learning rate {scaled}: {lr} is stated for {reference} examples per update, and this run has {batch} "
        "({rule}: x {factor})",
        "zh": "学习率 {scaled}：{lr} 对应每次更新 {reference} 个样本，本次运行为 {batch} 个（{rule}：× {factor}）",
    },
    "rule_linear": {"en": "linear", "zh": "线性"},
    "rule_sqrt": {"en": "square root", "zh": "平方根"},
    "outline": {
        "en": "{epochs} epochs on {device}",
        "zh": "{epochs} 轮，设备 {device}",
    },
    "groups_group": {"en": "group", "zh": "参数组"},
    "groups_optimizer": {"en": "optimizer", "zh": "优化器"},
    "groups_depth": {"en": "depth", "zh": "深度"},
    "groups_numbers": {"en": "numbers", "zh": "参数量"},
    "groups_frozen": {"en": "frozen", "zh": "冻结"},
    "groups_parameters": {"en": "parameters", "zh": "参数"},
    "record": {"en": "Record: {folder}", "zh": "记录：{folder}"},
    "already": {"en": "(this run was finished before)", "zh": "（此运行先前已完成）"},
}
"""Key -> language -> text."""


def say(lang: str, key: str, **values: object) -> str:
    """One of the above, with its values put in.

    Example:
        >>> say("en", "seed", seed=3)
        'seed 3'
    """
    return WORDS[key][lang].format(**values)
