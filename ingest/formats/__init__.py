"""The formats that records arrive in: one reader a file, listed in `registry.py`."""
