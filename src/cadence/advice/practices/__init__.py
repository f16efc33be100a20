"""How trainings of one kind are done: numbers, and on whose word each of them stands."""
