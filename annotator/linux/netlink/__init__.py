"""Sockets to the kernel: process events, the audit socket, network namespaces."""
