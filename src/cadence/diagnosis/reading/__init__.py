"""Readers of logs: one file for each source. They read data, and execute nothing of what they read."""
