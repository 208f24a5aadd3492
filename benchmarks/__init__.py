"""Measured comparisons, each a ratio of things run side by side. `make bench` runs them all."""
