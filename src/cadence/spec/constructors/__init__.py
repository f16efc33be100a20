"""The functions people write schedules with. Every module in here is found by itself."""
