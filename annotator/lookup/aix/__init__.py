"""Look-ups on AIX: psinfo, mount, netstat, lswpar. Nothing of it was verified on a real system by us."""
