"""The programs' own messages: lines of text to the syslog socket, and to standard error where that is wanted.

Writing never waits: a message that the socket does not take at once is dropped and counted, since a log that blocks
would block auditd or an engine. The datagram is the one that syslog(3) sends, `<PRI>TAG[PID]: TEXT`; the receiver adds
the time. Light on imports, because the reader of the plugin and the OCI programs start with it.
"""

from __future__ import annotations

import os
import socket

DAEMON, AUTHPRIV = 3 << 3, 10 << 3
"""Facilities, as syslog.h numbers them."""

MAX_BYTES = 2000
"""Of one message; the rest is cut off."""

_LEVELS = {"debug": 7, "info": 6, "notice": 5, "warning": 4, "error": 3}


class Log:
    """A log. `syslog` is the path of the syslog socket ("": none), `level` the least severe level that is written.

    `tag` names the program and `part` one of its processes. `dropped` counts messages that could not be written.
    """

    def __init__(
        self,
        syslog: str = "/dev/log",
        *,
        stderr: bool = False,
        level: str = "info",
        part: str = "",
        tag: str = "audisp-contid",
        facility: int = DAEMON,
    ) -> None:
        self.syslog = syslog
        self.stderr = stderr
        self.level = level
        self.part = part
        self.tag = tag
        self.facility = facility
        self.dropped = 0
        self._socket: socket.socket | None = None

    def info(self, event: str, **values: object) -> None:
        """An event of normal operation, as `key=value` pairs."""
        self._write_pairs("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """An event that an administrator should look at."""
        self._write_pairs("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """A failure."""
        self._write_pairs("error", event, values)

    def write(self, level: str, text: str) -> None:
        """One line of text at `level`: a key of `_LEVELS`."""
        if _LEVELS[level] > _LEVELS[self.level]:
            return
        data = text.encode("utf-8", "backslashreplace")[:MAX_BYTES]
        if self.stderr:
            try:
                os.write(2, data + b"\n")
            except OSError:
                self.dropped += 1
        if self.syslog:
            self._send(b"<%d>%s[%d]: " % (self.facility | _LEVELS[level], self.tag.encode(), os.getpid()) + data)

    def _write_pairs(self, level: str, event: str, values: dict[str, object]) -> None:
        text = f"level={level} event={event}" + (f" part={self.part}" if self.part else "")
        self.write(level, text + "".join(f" {name}={quoted(value)}" for name, value in values.items()))

    def _send(self, data: bytes) -> None:
        for _ in range(2):  # the second time with a new socket: syslogd was restarted
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._socket.setblocking(False)
                    self._socket.connect(self.syslog)
                self._socket.send(data)
                return
            except BlockingIOError:
                break
            except OSError:
                if self._socket is not None:
                    self._socket.close()
                self._socket = None
        self.dropped += 1


def quoted(value: object) -> str:
    """A value of a message: bare when it is one plain word, else quoted, with no character that ends a line."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if text and all("!" <= each <= "~" and each not in '"\\=' for each in text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text) + '"'
