"""Optimizers that torch lacks, one method per file: a class whose name in lower case is that of its module."""
