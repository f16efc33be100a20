"""The training loop, written once, around an engine per framework."""
