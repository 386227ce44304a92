"""Look-ups on Linux: /proc, mountinfo, the engines' files, and the sockets of each network namespace."""
