"""What is wanted: schedules as frozen data, with one text form.

A spec knows no run, no optimizer and no framework. `cadence.curve` places it on a run.
"""
