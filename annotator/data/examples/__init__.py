"""Examples of the Python API; each runs in a test."""
