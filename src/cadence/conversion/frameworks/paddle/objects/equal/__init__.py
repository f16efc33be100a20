"""From a placed curve to the scheduler of paddle that equals it."""
