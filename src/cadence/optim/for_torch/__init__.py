"""Cadence's optimizers for torch: a file and a class for each."""
