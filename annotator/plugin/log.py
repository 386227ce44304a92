"""What the plugin says of itself: `key=value` lines to the syslog socket, and to standard error when that is wanted.

It never waits: a note that the socket does not take at once is dropped and counted, since a log that blocks would
block auditd. The datagram is the one that syslog(3) sends, `<PRI>TAG[PID]: TEXT`; the receiver adds the time.
"""

from __future__ import annotations

import os
import socket

TAG = "audisp-contid"
_DAEMON = 3 << 3
_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3}


class Notes:
    """A log. `syslog` is the path of its socket ("": none)."""

    def __init__(self, syslog: str = "/dev/log", *, stderr: bool = False, level: str = "info", part: str = "") -> None:
        self.syslog = syslog
        self.stderr = stderr
        self.level = level
        self.part = part
        self.dropped = 0
        self._socket: socket.socket | None = None

    def info(self, event: str, **values: object) -> None:
        """What is usual."""
        self._say("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """What somebody should look at."""
        self._say("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """What does not work."""
        self._say("error", event, values)

    def _say(self, level: str, event: str, values: dict[str, object]) -> None:
        if _LEVELS[level] > _LEVELS[self.level]:
            return
        text = f"level={level} event={event}" + (f" part={self.part}" if self.part else "")
        text += "".join(f" {name}={written(value)}" for name, value in values.items())
        data = text.encode("utf-8", "backslashreplace")[:2000]
        if self.stderr:
            try:
                os.write(2, data + b"\n")
            except OSError:
                self.dropped += 1
        if self.syslog:
            self._send(b"<%d>%s[%d]: " % (_DAEMON | _LEVELS[level], TAG.encode(), os.getpid()) + data)

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


def written(value: object) -> str:
    """A value of a note: bare when it is one plain word, else quoted, with nothing in it that ends a line."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if text and all("!" <= each <= "~" and each not in '"\\=' for each in text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text) + '"'
