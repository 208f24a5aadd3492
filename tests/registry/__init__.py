"""Schema registries for tests: a real one, and a stand-in that fails when it is told to."""
