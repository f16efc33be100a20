"""What the machine has and allows, as far as trainings depend on it: plain data for the checks of `cadence env`."""
