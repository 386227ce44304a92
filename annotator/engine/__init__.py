"""Wiring: the pipeline, replay, streams and whole logs, registration, and what a run knows of its host."""
