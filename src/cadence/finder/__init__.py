"""The learning-rate range test: from small to large on a few updates, and what the losses say."""
