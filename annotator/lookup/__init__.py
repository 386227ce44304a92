"""Look-ups on a machine: what a process, file, port or container is, and in which container it is.

A question goes to the collector of its kind and system, an answer comes back as one document, the same on Linux and
AIX (`annotator/data/lookup.schema.json`). A new collector is a module with a `COLLECTOR`, and a line in `collectors`.
"""
