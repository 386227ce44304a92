"""The Linux backend."""
