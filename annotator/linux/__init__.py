"""The Linux backend: audit records become subjects and facts; /proc, cgroups and engine files become the host view."""
