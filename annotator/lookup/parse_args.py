"""Parses the value of a question: a pid, an absolute path, a port, a container. UsageError for anything else."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from annotator.core.errors import UsageError

MAX_PATH = 4096
"""PATH_MAX of Linux, in bytes; AIX allows 1023."""

_PORT = re.compile(r"([0-9]{1,5})(?:/([a-z0-9]{1,16}))?", re.ASCII)
PROTOCOLS = ("tcp", "udp")


class Port(NamedTuple):
    """A local port. `protocol` is tcp or udp, "" for both."""

    number: int
    protocol: str


def pid(value: str) -> int:
    """A process id."""
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and 0 < int(value) < 2**31):
        raise UsageError(f"{value!r} is no process id", "Give a decimal number above 0.")
    return int(value)


def port(value: str) -> Port:
    """`N`, `N/tcp` or `N/udp`."""
    match = _PORT.fullmatch(value.lower())
    if match is None or not 0 < int(match[1]) < 65536 or (match[2] and match[2] not in PROTOCOLS):
        raise UsageError(f"{value!r} is no port", "Give 1 to 65535, and /tcp or /udp when only one is meant.")
    return Port(int(match[1]), match[2] or "")


def path(value: str, *, live: bool) -> str:
    """An absolute path; a relative one is of the working directory, which a recorded tree has not."""
    if not value or "\0" in value or len(os.fsencode(value)) > MAX_PATH:
        raise UsageError(f"{value[:64]!r} is no path", f"Give 1 to {MAX_PATH} bytes without NUL.")
    if not value.startswith("/"):
        if not live:
            raise UsageError(f"{value!r}: below --root only absolute paths are asked", "Begin it with a slash.")
        return f"{os.getcwd()}/{value}"  # noqa: PTH109  (as text: nothing of it is resolved yet)
    return value


def container(value: str) -> str:
    """A name, an id, the beginning of an id, or a contid (AIX: a CID, key or UUID)."""
    name = value.strip()
    if not name or len(name) > 512 or "\0" in name:
        raise UsageError(f"{value[:64]!r} names no container", "Give its name, its id, or its contid.")
    return name
