"""Metric rules as pure functions: (state, observation) -> (state, decision). Only a decision changes a curve."""
