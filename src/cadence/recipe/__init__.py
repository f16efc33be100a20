"""A whole training as data: read from YAML, checked key by key, written back with every default."""
