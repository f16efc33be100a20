"""One shape per file. A file that is put here is found by itself."""
