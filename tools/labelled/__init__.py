"""Trainings with a known fault, and sound ones: what diagnosis is measured on."""
