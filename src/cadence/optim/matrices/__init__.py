"""Updates of whole matrices: what cannot be written element by element."""
