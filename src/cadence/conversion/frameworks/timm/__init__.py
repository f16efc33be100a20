"""timm.scheduler: schedules of the epoch or of the number of updates, which its training loop hands over."""
