"""A spec placed on one run: a pure function of the update number, vectorised, float64."""
