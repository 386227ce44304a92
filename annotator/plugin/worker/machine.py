"""The header of this machine's state file: whose state it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

from annotator.storage.format import Header

_NAMESPACES = ("pid", "user")
"""Those that say which pids and ids are meant. Not mnt: a service may get a new one at each start."""


def header(node: str, proc: Path = Path("/proc")) -> Header:
    """Node, boot and clocks as they are now. What /proc does not show is empty."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        boot = ""
    namespaces: dict[str, int] = {}
    for name in _NAMESPACES:
        try:
            namespaces[name] = (proc / "self/ns" / name).stat().st_ino
        except OSError:
            continue
    return Header(
        node.encode("utf-8", "surrogateescape"),
        boot,
        time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        os.sysconf("SC_CLK_TCK"),
        namespaces,
    )
