"""The output forms: one module each."""
