"""The rules, grouped by theme; a module that lies here is found by itself."""
