"""The grammar of one line: type, body, fields, and the place where text may be added. Nothing is decoded here.

Line grammar (auditd's formatter): `[node=N ]type=T msg=audit(S.m:N): BODY[0x1D ENRICHED]`. What a user wrote stands in
`msg='…'` and is never searched for the record's own fields.
"""

from __future__ import annotations

import re

from annotator.linux.records.tables import TYPES

SEPARATOR = b"\x1d"
"""Between the body and auditd's enriched copies (log_format = ENRICHED)."""

NUMBERS = {name.encode(): number for number, name in TYPES.items()}

COMPLETING = frozenset((1005, 1320, 1327, 2000))
"""USER, EOE, PROCTITLE, KERNEL: after these an event is probably complete, as after all types of user space."""


class Completes(dict[bytes, bool]):
    """Record type to "its event is probably complete". Unknown names do not complete an event."""

    def get(self, name: bytes, default: bool | None = None) -> bool:  # type: ignore[override]  # noqa: ARG002
        """Look up, and learn at most 4096 names."""
        known = super().get(name)
        if known is None:
            number = type_number(name)
            known = number in COMPLETING or 1100 <= number <= 1299 or 2100 <= number <= 2999
            if len(self) < 4096:
                self[name] = known
        return known


def type_number(name: bytes) -> int:
    """The number of a record type, also of `UNKNOWN[n]`; -1 for a name the audit library does not know."""
    if name[:8] == b"UNKNOWN[" and name[-1:] == b"]" and name[8:-1].isdigit():
        return int(name[8:-1][:6])
    return NUMBERS.get(name, -1)


def head(line: bytes) -> tuple[bytes, int]:
    """The record type and where the body begins. (b"", 0) for a line that is no record."""
    start = 5 if line[:5] == b"type=" else line.find(b"type=", 0, 1024) + 5
    stop = line.find(b" msg=audit(", start)
    body = line.find(b"):", stop)
    if start < 5 or stop < 0 or body < 0:
        return b"", 0
    body += 2
    return line[start:stop], body + 1 if line[body : body + 1] == b" " else body


def body_end(line: bytes, body: int) -> int:
    """The offset at which the body ends: that of 0x1D, or the end of the line (before the CR of a CRLF)."""
    stop = line.find(SEPARATOR, body)
    if stop < 0 and ESCAPED in line:
        stop = _escaped_separator(line, body)
    if stop < 0:
        stop = len(line)
        if line[-1:] == b"\r":
            stop -= 1
    return stop


ESCAPED = b"#035"
"""How syslog daemons write 0x1D (rsyslog: parser.escapeControlCharactersOnReceive)."""

_ENRICHED_NAME = re.compile(rb"#035[A-Z_]+=")


def _escaped_separator(line: bytes, body: int) -> int:
    """Where a relay has escaped 0x1D; -1 for none. What stands in quotes is somebody's text, and no separator."""
    own = line.find(b"msg='", body)
    for found in _ENRICHED_NAME.finditer(line, line.rfind(b"'") if own >= 0 else body):
        at = found.start()
        if own >= 0 and line[at - 1 : at] != b"'":
            continue
        if own >= 0 or line.count(b'"', body, at) % 2 == 0:
            return at
    return -1


def separated(line: bytes) -> bytes:
    """The line with 0x1D where a relay has escaped it."""
    if ESCAPED not in line or SEPARATOR in line:
        return line
    at = _escaped_separator(line, head(line)[1])
    return line if at < 0 else line[:at] + SEPARATOR + line[at + len(ESCAPED) :]


def own_end(line: bytes, body: int) -> int:
    """Where the record that begins the line ends; another may begin in it, when a disk was full: `pptype=SYSCALL msg=`.

    The kernel writes no ` msg=audit(` of its own behind a head; in `msg='…'` it is somebody's text.
    """
    other = line.find(b" msg=audit(", body)
    if other < 0 or line.find(b"msg='", body, other) >= 0:
        return len(line)
    start = line.rfind(b"type=", body, other)
    return start if start >= 0 and b" " not in line[start:other] else len(line)


def alone(line: bytes) -> bytes:
    """The line without another record that begins in it."""
    return line[: own_end(line, head(line)[1])]


def split(line: bytes) -> tuple[bytes, bytes]:
    """Type and body (without the enriched part, and without another record that begins in the line)."""
    name, body = head(line)
    return name, line[body : min(body_end(line, body), own_end(line, body))] if name else b""


_FIELD = {
    name: re.compile(rb"(?:^| )" + name + rb"=([^ ]+)")
    for name in (
        b"pid", b"ppid", b"uid", b"auid", b"ses", b"comm", b"exe", b"tty", b"terminal", b"opid", b"syscall", b"success",
        b"exit", b"a0", b"a1", b"dev", b"saddr", b"daddr", b"op", b"name",
    )
}  # fmt: skip


def field(body: bytes, name: bytes) -> bytes:
    """The first value of a field, as written; b"" when absent. Only of the record's own part, before `msg='`."""
    own = body.find(b"msg='")
    match = _FIELD[name].search(body, 0, own if own >= 0 else len(body))
    return match[1] if match else b""


def number(value: bytes, unset: int) -> int:
    """A decimal field of at most 20 digits, -1 included; `unset` when it is none."""
    if value.isdigit() and len(value) <= 20:
        return int(value)
    return unset


def text(value: bytes) -> bytes:
    """An encoded field's bytes: `"quoted"`, or upper-case hex; `(null)`, `(none)` and `?` are b""."""
    if value[:1] == b'"':
        return value[1 : value.find(b'"', 1)] if value.find(b'"', 1) > 0 else value[1:]
    if value in (b"(null)", b"(none)", b"?"):
        return b""
    if len(value) % 2 == 0 and _HEX.fullmatch(value):
        return bytes.fromhex(value.decode())
    return value


_HEX = re.compile(rb"[0-9A-F]+")

_ARGUMENT = re.compile(rb" a(\d{1,5})(?:\[(\d{1,5})\])?=(\"[^\"]*\"|[0-9A-F]+)")


_NAMES = tuple(b"a%d=" % at for at in range(512))
_VALUE = re.compile(rb"\"[^\"]*\"|[0-9A-F]+")


def arguments(bodies: list[bytes], *, limit: int = 512) -> tuple[bytes, ...]:
    """The argument list out of an event's EXECVE bodies; pieces `aN[m]` are joined, at most `limit` arguments."""
    if len(bodies) == 1:
        words = bodies[0].split(b" ")
        if words[0] == b"argc=%d" % (len(words) - 1) and len(words) <= limit:  # the usual case: all of them, whole
            values = [word[len(name) :] for name, word in zip(_NAMES, words[1:], strict=False) if word.startswith(name)]
            if len(values) == len(words) - 1 and all(map(_VALUE.fullmatch, values)):
                return tuple(map(text, values))
    pieces: dict[int, dict[int, bytes]] = {}
    for body in bodies:
        for at, piece, value in _ARGUMENT.findall(b" " + body):
            index = int(at)
            if index < limit:
                pieces.setdefault(index, {}).setdefault(int(piece or 0), text(value))  # a record that is there twice
    return tuple(b"".join(pieces.get(index, {}).values()) for index in range(max(pieces) + 1)) if pieces else ()
