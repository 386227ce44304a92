"""The host view of Linux: a machine seen from outside the log, by /proc, namespaces, cgroups and engine state."""
