"""Trainings on the machines of a Ray cluster, with their records here."""
