"""What went wrong in a training that ran, from its record or from the logs of other tools."""
