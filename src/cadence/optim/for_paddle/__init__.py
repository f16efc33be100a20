"""Cadence's optimizers for paddle: a file and a class for each."""
