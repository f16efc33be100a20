"""Search over the fields of a recipe, on one machine or many."""
