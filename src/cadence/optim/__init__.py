"""Optimizers: by name, and those that frameworks lack.

`optimizer("adamw", model, lr=1e-3)` makes any of them. A file here with one class of its own name is found by it.
"""
