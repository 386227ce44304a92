"""Wiring: the pipeline, replay, registration, and what a run knows of its host."""
