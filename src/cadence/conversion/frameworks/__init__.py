"""One package for each framework; `objects.py` in it loads the framework, nothing else does."""
