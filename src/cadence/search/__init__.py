"""Search over the keys of a recipe: the space, the study that many processes share, and what it found."""
