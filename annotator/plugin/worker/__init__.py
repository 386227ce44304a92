"""The process that annotates: pipeline, host updates, state, journal."""
