"""What goes on in containers now: read from the end of a file that the plugin writes, in the raw or the JSON form.

The plugin counts events, not whose they are; its own output says that of each. Only the newest part of a file is read,
so that a look costs the same on a busy machine: `missed` says that there was more.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MAX_READ = 4 << 20
"""Bytes of one look."""

KEPT_S = 30.0
"""For how long after its last event a session counts as live."""

_NAMED = re.compile(rb'[ ](container_name|container_id|cont_session|cont_how|contid)=("[^"]*"|[0-9A-Fa-f^,]+)')
_STAMP = re.compile(rb"msg=audit\((\d{1,12}\.\d{3}:\d+)\)")


class Entered(NamedTuple):
    """A session that had an event lately: who is in which container."""

    container: str
    id: str
    how: str
    seen_s: float


@dataclass(slots=True)
class Activity:
    """Follows one file. `rates` are events a second by container, over the last look; `sessions` the live ones."""

    path: Path
    rates: dict[str, float] = field(default_factory=dict)
    sessions: dict[str, Entered] = field(default_factory=dict)
    missed: bool = False
    why: str = ""
    _inode: int = 0
    _offset: int = -1
    _read_s: float = 0.0

    def look(self, now_s: float) -> None:
        """Read what is new; `now_s` is Unix time in seconds. The first look only finds the end."""
        try:
            with self.path.open("rb") as file:
                info = os.fstat(file.fileno())
                if self._offset < 0 or info.st_ino != self._inode or info.st_size < self._offset:
                    start = info.st_size if self._offset < 0 else 0
                    self._inode, self._offset = info.st_ino, start
                self.missed = info.st_size - self._offset > MAX_READ
                file.seek(max(self._offset, info.st_size - MAX_READ))
                text = file.read(MAX_READ)
        except OSError as error:
            self.why = f"{self.path}: {error.strerror}"
            return
        self.why = ""
        self._offset = info.st_size - (len(text) - (text.rfind(b"\n") + 1))
        self._count(text[: text.rfind(b"\n") + 1], now_s)

    def _count(self, text: bytes, now_s: float) -> None:
        counts: dict[str, int] = {}
        for line in text.splitlines():
            said = _of_json(line) if line[:1] == b"{" else _of_raw(line)
            if said is None:
                continue
            container, session, how = said
            counts[container] = counts.get(container, 0) + 1
            if session not in ("", "0"):
                self.sessions[session] = Entered(container, session, how, now_s)
        elapsed = now_s - self._read_s
        self.rates = {name: count / elapsed for name, count in counts.items()} if self._read_s and elapsed > 0 else {}
        self._read_s = now_s
        self.sessions = {key: one for key, one in self.sessions.items() if now_s - one.seen_s <= KEPT_S}


Said = tuple[str, str, str]
"""A container's name, or its id, or contid; the session's id; the words of its entry."""


def _of_raw(line: bytes) -> Said | None:
    at = line.find(b" contid=")
    if at < 0 or _STAMP.search(line) is None:
        return None
    fields = {match[1]: _value(match[2]) for match in _NAMED.finditer(line, at)}
    name = fields.get(b"container_name") or fields.get(b"container_id") or fields.get(b"contid", "")
    return name, fields.get(b"cont_session", ""), fields.get(b"cont_how", "")


def _value(value: bytes) -> str:
    """A value of the raw form: quoted, or in hex; numbers are as they are."""
    if value[:1] == b'"':
        return value[1:-1].decode("utf-8", "backslashreplace")
    text = value.decode()
    if len(text) % 2 or not re.fullmatch("[0-9A-F]+", text) or text.isdecimal():
        return text
    return bytes.fromhex(text).decode("utf-8", "backslashreplace")


def _of_json(line: bytes) -> Said | None:
    try:
        found = json.loads(line)
        provenance = found["provenance"]
        if provenance["status"] != "container":
            return None
        inside = found.get("container", {})
        session = provenance.get("session", {})
        name = inside.get("name") or inside.get("id") or provenance["chains"][0][0]
        return str(name), str(session.get("id", "")), str(session.get("how", ""))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None
