"""What to train with, why, and how sure: from a description of the training to a recipe."""
