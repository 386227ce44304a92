"""Lines to a syslog server: RFC 5424 messages over a unix socket, UDP (RFC 5426) or TCP (RFC 6587, octet counting)."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from annotator.core.errors import SinkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_FACILITIES = (
    "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock "
    "local0 local1 local2 local3 local4 local5 local6 local7"
)
FACILITIES = {name: number for number, name in enumerate(_FACILITIES.split())}
"""RFC 5424, table 1, by the names of syslog(3); 12 to 15 by their use."""

_INFO = 6
_ADDRESS = re.compile(r"(unix):(/.+)|(udp|tcp):(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:\s]+)):(\d{1,5})")
_UDP_MOST = 65_000
"""Bytes of a message that one UDP datagram takes for sure."""


def address(text: str) -> tuple[str, str, int]:
    """`unix:PATH`, `udp:HOST:PORT`, `tcp:HOST:PORT` (IPv6 in brackets) as kind, host or path, port."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[6] or 0) > 65535:
        raise UsageError(f"not a syslog address: {text!r}", "unix:/dev/log, udp:HOST:PORT or tcp:HOST:PORT.")
    if found[1]:
        return "unix", found[2], 0
    return found[3], found[4] or found[5], int(found[6])


class SyslogSink:
    """Sends each line as one message. `now` gives seconds of the Unix epoch, for the message's own timestamp.

    Raises SinkError when the server does not take it: then `write` has taken the lines before, `dropped_lines` counts
    what could not be sent whole. `lines` of the raw form may hold bytes that are not UTF-8 (RFC 5424: MSG-ANY).
    """

    def __init__(
        self,
        where: str,
        *,
        now: Callable[[], float],
        facility: str = "local6",
        hostname: str = "",
        timeout_s: float = 5,
    ) -> None:
        self.kind, self.host, self.port = address(where)
        if facility not in FACILITIES:
            raise UsageError(f"not a syslog facility: {facility!r}", "Known: " + " ".join(FACILITIES))
        self.where = where
        self.written = self.dropped_bytes = self.dropped_lines = 0
        self._now = now
        name = hostname or socket.gethostname()
        self._name = (re.sub(r"[^!-~]", "?", name) or "-")[:255].encode()
        self._priority = FACILITIES[facility] * 8 + _INFO
        self._tail = b" audisp-contid %d audit - " % os.getpid()
        self._timeout = timeout_s
        self._socket = self._connect()

    def write(self, data: bytes) -> None:
        """Send these lines now."""
        seconds = self._now()
        when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
        head = b"<%d>1 %s %s%s" % (self._priority, when, self._name, self._tail)
        lines = data.split(b"\n")
        if not lines[-1]:
            del lines[-1]
        for at, line in enumerate(lines):
            try:
                self._send(head + line)
            except OSError as error:
                rest = lines[at:]
                self.dropped_lines += len(rest)
                self.dropped_bytes += sum(map(len, rest)) + len(rest)
                self.close()
                raise SinkError(f"{self.where}: {error.strerror or error}", "Is the syslog server there?") from error
            self.written += len(line) + 1

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def _send(self, message: bytes) -> None:
        if self.kind == "tcp":
            self._socket.sendall(b"%d %s" % (len(message), message))
        else:
            self._socket.send(message[:_UDP_MOST] if self.kind == "udp" else message)

    def _connect(self) -> socket.socket:
        found: socket.socket | None = None
        try:
            if self.kind == "tcp":
                return socket.create_connection((self.host, self.port), self._timeout)
            if self.kind == "unix":
                found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                found.settimeout(self._timeout)
                found.connect(self.host)
                return found
            family, kind, proto, _, there = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            found = socket.socket(family, kind, proto)
            found.connect(there)
            return found
        except OSError as error:
            if found is not None:
                found.close()
            raise SinkError(f"{self.where}: {error.strerror or error}", "Is the syslog server there?") from error
