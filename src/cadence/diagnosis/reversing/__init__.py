"""From a column of rates back to the schedule that wrote it."""
