"""Questions about a whole log: containers, sessions, processes."""
