"""optax.schedules."""
