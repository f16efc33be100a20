"""A shape of one's own: one function, and it works in Python, in text, and everywhere else."""

import cadence as cd


@cd.shape(
    source="this example",
    formula="v * (1 + u v)",
    when="To see how a shape is added.",
    avoid="In a training.",
    rise=lambda u, v, xp: u * (1.0 - v * v),
)
def bump(u, v, xp):
    """A line with a small bump: slower at first, faster afterwards."""
    return v * (1.0 + u * v)


schedule = cd.parse("warmup('10%') >> bump(to=0.1)")
print(schedule)
print(cd.place(schedule, total=100, base=1.0).describe())
