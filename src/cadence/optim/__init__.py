"""Optimizers: by name, and those that frameworks lack.

`optimizer("adamw", model, lr=1e-3)` makes any of them. `torch` and `paddle` hold cadence's own, one method per file: a
file there with one class of its own name is found by it.
"""
