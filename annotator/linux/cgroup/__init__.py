"""Cgroup paths and the containers that they name."""
