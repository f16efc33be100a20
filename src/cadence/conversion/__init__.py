"""Schedules of other frameworks, read and written: one package a framework, tables of what each class means."""
