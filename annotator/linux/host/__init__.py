"""A Linux machine as seen from outside the log: /proc, namespaces, cgroups, engine state."""
