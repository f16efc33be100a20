"""Recipes times seeds: the folder they fill, and what it says."""
