"""The checks of a machine, grouped by theme; a module that lies here is found by itself."""
