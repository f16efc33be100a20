"""Training scripts read by their syntax tree: optimizers, schedulers, loops, calls. Nothing in them is executed."""
