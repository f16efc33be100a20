"""The sentences about what is odd in a log, one function each."""

from __future__ import annotations

from cadence.diagnosis.log import Note, NoteKind
from cadence.findings.finding import Both


def _note(kind: NoteKind, en: str, zh: str, **numbers: object) -> Note:
    return Note(kind, Both(en, zh), numbers)


def unreadable(count: int, one: str, many: str, zh: str) -> Note:
    """Cells, rows or records that were passed over."""
    told = f"1 {one} was passed over." if count == 1 else f"{count:,} {many} were passed over."
    return _note("unreadable", told, f"跳过了 {count:,} 个{zh}。", count=count)


def broken(where: str, why: str, zh: str) -> Note:
    """A file that ends, or breaks, before its end."""
    return _note("cut_off", f"{where} {why}.", f"{where}{zh}。")


def no_clock(rows: int) -> Note:
    """No column of steps."""
    return _note(
        "no_clock",
        f"The log says nowhere which update a row belongs to, so rows are counted instead: {rows:,} of them.",
        f"日志没有说明每一行属于哪次更新，因此以它的 {rows:,} 行计数。",
        rows=rows,
    )


def within_epochs(length: float) -> Note:
    """Steps that begin anew with each epoch."""
    return _note(
        "assumed",
        f"The steps begin anew with each epoch; they are counted through with {length:g} of them to an epoch.",
        f"步数在每个 epoch 重新开始；按每个 epoch {length:g} 步连续计数。",
        length=length,
    )


def assumed(column: str, role: str, why: str, zh: str) -> Note:
    """A column that was taken for something its name does not say."""
    return _note(
        "assumed",
        f"{column!r} is taken for the {role}, because {why}; --column says it otherwise.",
        f"把 {column!r} 当作{zh}；可用 --column 另行指定。",
        column=column,
        role=role,
    )


def no_rate() -> Note:
    """No learning rate."""
    return _note(
        "no_rate",
        "The log has no learning rate, so nothing can be said about its schedule or what its changes did.",
        "日志中没有学习率，因此无法判断调度及其变化的作用。",
    )


def no_loss() -> Note:
    """No training loss."""
    return _note("no_loss", "The log has no training loss.", "日志中没有训练损失。")


def short(rows: int) -> Note:
    """Too little for any statistics."""
    return _note(
        "short",
        f"Rows of the log with a loss: {rows}, too few to tell a trend from noise.",
        f"日志只有 {rows} 行带损失，不足以区分趋势与噪声。",
        rows=rows,
    )


def gap(what: str, count: int, first: int, end: int, every: float) -> Note:
    """Updates that a log leaves out."""
    many = "a gap" if count == 1 else f"{count} gaps, the widest"
    usual = "each update" if every == 1 else f"one update in {every:g}"
    return _note(
        "gap",
        f"{what} has {many} from update {first:,} to {end:,}; outside of that it has a number for {usual}.",
        f"{what} 有 {count} 处缺口，最宽从第 {first:,} 次更新到第 {end:,} 次，其余每 {every:g} 次一个数。",
        count=count,
        first=first,
        end=end,
        every=every,
    )


def reset(before: int, after: int, count: int) -> Note:
    """A training that was taken up again from an earlier update."""
    more = "" if count == 1 else f", and {count - 1} more such places"
    return _note(
        "reset",
        f"The log goes back from update {before:,} to {after:,}{more}: the training was taken up again there, and what "
        "it told before of later updates is left out.",
        f"日志从第 {before:,} 次更新退回到第 {after:,} 次（共 {count} 处）：训练在那里恢复，之前更晚的记录被略去。",
        before=before,
        after=after,
        count=count,
    )


def restart(before: int, after: int, count: int) -> Note:
    """Several trainings in one log."""
    return _note(
        "restart",
        f"The log holds {count + 1} trainings: after update {before:,} it begins again at {after:,}; the last is read. "
        "Give the others as files of their own to have them diagnosed.",
        f"日志里有 {count + 1} 次训练：第 {before:,} 次更新之后又从 {after:,} 开始；只读最后一次，"
        "其余请分成单独的文件。",
        before=before,
        after=after,
        count=count,
    )


def duplicate(count: int) -> Note:
    """Rows with the same update."""
    return _note(
        "duplicate",
        f"{count:,} rows have the update of a later row; the later one counts.",
        f"{count:,} 行与后面的行是同一次更新；以后者为准。",
        count=count,
    )


def unsorted(count: int) -> Note:
    """Rows in no order."""
    return _note(
        "unsorted",
        f"The rows are out of order at {count:,} places; they were sorted by update.",
        f"有 {count:,} 处行序颠倒；已按更新排序。",
        count=count,
    )


def not_finite(what: str, count: int, first: int) -> Note:
    """NaN and infinity."""
    return _note(
        "not_finite",
        f"{what} is no finite number {count:,} times, first at update {first:,}.",
        f"{what} 有 {count:,} 次不是有限数，最早在第 {first:,} 次更新。",
        column=what,
        count=count,
        first=first,
    )


def binned(rows: int, bins: int) -> Note:
    """A log too long to keep."""
    return _note(
        "binned",
        f"The log has {rows:,} numbers of a kind; {bins:,} bins with median and extremes stand for them, and rates are "
        "kept wherever they bend or jump.",
        f"日志每列有 {rows:,} 个数；用 {bins:,} 个分箱（中位数与极值）代替，学习率在转折和跳变处原样保留。",
        rows=rows,
        bins=bins,
    )


def several_runs(taken: str, others: int) -> Note:
    """Columns of other runs."""
    return _note(
        "assumed",
        f"The table holds {others + 1} runs; {taken!r} is read.",
        f"表中有 {others + 1} 个运行；读取的是 {taken!r}。",
        taken=taken,
        others=others,
    )
