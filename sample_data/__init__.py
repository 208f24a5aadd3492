"""Labelled sample events and the seeded generator that makes them."""
