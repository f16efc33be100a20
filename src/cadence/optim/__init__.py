"""Optimizers: by name, and those that frameworks lack or are slow at.

A method is written once, in `rules`; `stepping` executes it in a framework, by a kernel of `kernels` where that is
possible. A file of `for_torch` or `for_paddle` with one class of its own name is found by that name:
``optimizer("lamb", model, lr=1e-3)`` makes any of them.
"""
