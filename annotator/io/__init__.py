"""Bytes in and out: sources, sinks, sockets, the terminal. Knows no events."""
