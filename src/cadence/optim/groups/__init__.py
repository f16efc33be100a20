"""Parameter groups as data: a walk over a model's modules, and what is made of it without any framework."""
