"""Streams: standard input of an auditd plugin, and the socket that auditd's af_unix plugin offers."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

from annotator.core.errors import SourceError
from annotator.io.sources.files import unreadable
from annotator.io.sources.lines import READ, Block, Cutter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_stream(fd: int, origin: str = "-") -> Iterator[Block]:
    """The lines of a pipe, socket or terminal, as they come: every read that finishes a line gives a block at once.

    Ends when the writer is gone (for a socket also when it was cut off); the last line may then lack its newline.
    Signal handlers run while it waits. Raises SourceError when reading fails.
    """
    cutter = Cutter(origin)
    while data := _read(fd, cutter):
        if (block := cutter.feed(data)) is not None:
            yield block
    if (last := cutter.end()) is not None:
        yield last


def _read(fd: int, cutter: Cutter) -> bytes:
    while True:
        try:
            return os.read(fd, READ)
        except BlockingIOError:
            # Standard input is one open file with whoever started us, who may have made it non-blocking.
            waiting = select.poll()
            waiting.register(fd, select.POLLIN)
            waiting.poll()
        except ConnectionResetError:
            return b""
        except OSError as error:
            raise unreadable(cutter.origin, error, cutter.offset + cutter.held) from error


def connect(path: Path) -> socket.socket:
    """A connection to auditd's `af_unix` plugin (audisp-af_unix(8)); give its `fileno()` to `read_stream`.

    Raises SourceError when nobody listens there.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(str(path))
    except OSError as error:
        stream.close()
        raise SourceError(
            f"{path}: cannot connect: {error.strerror or error}",
            "Set `active = yes` and `format = string` in plugins.d/af_unix.conf of auditd (one client at a time).",
        ) from error
    return stream
