"""The grammar of one line: type, body, fields, and the place where text may be added. Nothing is decoded here.

Line grammar (auditd's formatter): `[node=N ]type=T msg=audit(S.m:N): BODY[0x1D ENRICHED]`. What a user wrote stands in
`msg='…'` and is never searched for the record's own fields; it may hold 0x1D too. Relays write another separator:
syslog daemons `#035` (its octal number), others a blank.
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


_ENRICHED = re.compile(rb"(?:[A-Z][A-Z0-9_-]*=(?:\"[^\"]*\"|\{[^}]*\}|[^ \"{]*)(?: |\r?\Z))*\r?\Z")
"""auditd's copies: names in capitals alone, as no kernel record has them, up to the end of the line."""

ESCAPED = b"#035"
"""How syslog daemons write 0x1D (rsyslog: parser.escapeControlCharactersOnReceive)."""

_GLUED = re.compile(rb"(?:node=\S+ )?type=[A-Z][A-Z0-9_]*(?:\[\d+\])? msg=audit\(\d")


def separator(line: bytes, body: int = 0) -> tuple[int, int]:
    """Where the body ends and where auditd's enriched copies begin; both are the end of the line where it has none.

    The last 0x1D is auditd's if nothing but copies follows it: what users write may hold one, and the kernel always
    writes behind their text. A line's CR belongs to neither.
    """
    size = len(line)
    end = size - 1 if line[-1:] == b"\r" else size
    at = line.rfind(SEPARATOR, body)
    if at >= 0 and _ENRICHED.match(line, at + 1):
        return at, at + 1
    if at < 0 and (at := line.rfind(ESCAPED, body)) >= 0 and _ENRICHED.match(line, at + 4):
        return at, at + 4
    return end, size


def body_end(line: bytes, body: int) -> int:
    """The offset at which the body ends: that of the separator, or the end of the line (before the CR of a CRLF)."""
    return separator(line, body)[0]


_ENDS_IN_PID = frozenset((b"LOGIN", b"NETFILTER_CFG", b"SECCOMP", b"ANOM_ABEND"))
"""The kernel's numbers stand behind a text that a user may choose, which must not end them."""


def is_call_whole(line: bytes, key: int, end: int) -> bool:
    """Whether a SYSCALL record whose ` key=` is at `key` (-1: none) was not cut off before its last field's end."""
    value = line[key + 5 : key + 6]
    if key < 0 or not value:
        return False
    if value == b'"':
        return line.find(b'"', key + 6, end) > 0
    return value != b"(" or line.startswith(b"(null)", key + 5)


def whole_body(name: bytes, body: bytes) -> bytes:
    """A body without the field in which a line was torn, and the record that follows (a full disk, a relay)."""
    if b" msg=audit(" not in body or b" msg='" in body or name in _ENDS_IN_PID:
        return body
    glued = _GLUED.search(body)
    return body if glued is None else body[: body.rfind(b" ", 0, glued.start()) + 1].rstrip(b" ")


def separated(line: bytes) -> bytes:
    """The line with 0x1D where a relay has escaped it."""
    if ESCAPED not in line or SEPARATOR in line:
        return line
    at, rest = separator(line, head(line)[1])
    return line if at == rest or rest > len(line) - 1 else line[:at] + SEPARATOR + line[rest:]


def alone(line: bytes) -> bytes:
    """The line without another record that begins in it."""
    name, body = head(line)
    return line[:body] + whole_body(name, line[body:])


def split(line: bytes) -> tuple[bytes, bytes]:
    """Type and body (without the enriched part, and without another record that begins in the line)."""
    name, body = head(line)
    return name, whole_body(name, line[body : body_end(line, body)]) if name else b""


_FIELD = {
    name: re.compile(rb"(?:^| )" + name + rb"=([^ ]+)")
    for name in (
        b"pid", b"ppid", b"uid", b"auid", b"ses", b"comm", b"exe", b"tty", b"terminal", b"opid", b"syscall", b"success",
        b"exit", b"a0", b"a1", b"dev", b"saddr", b"daddr", b"op", b"name",
    )
}  # fmt: skip


def field(body: bytes, name: bytes) -> bytes:
    """The first value of a field, as written; b"" when absent. Where users' text can come first: `kernel_fields`."""
    match = _FIELD[name].search(body)
    return match[1] if match else b""


def number(value: bytes, unset: int) -> int:
    """A decimal field of at most 20 digits, -1 included; `unset` when it is none."""
    if value.isdigit() and len(value) <= 20:
        return int(value)
    return unset


def argument(line: bytes, name: bytes) -> bytes:
    """A number of the SYSCALL record, by ` name=`."""
    start = line.find(name) + len(name)
    return line[start : line.find(b" ", start)]


def hexadecimal(value: bytes) -> int:
    """A number as the kernel writes arguments; 0 when it is none."""
    try:
        return int(value, 16) if len(value) <= 16 else 0
    except ValueError:
        return 0


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


_COUNT = re.compile(rb"argc=(\d{1,9})(?: |$)")
_NAMES = tuple(b"a%d=" % at for at in range(512))
_VALUE = re.compile(rb"\"[^\"]*\"|[0-9A-F]+")


def arguments(bodies: list[bytes], *, limit: int = 512) -> tuple[bytes, ...]:
    """The argument list out of an event's EXECVE bodies; pieces `aN[m]` are joined, at most `limit` arguments.

    () where arguments or pieces are missing: without them the others may mean something else.
    """
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
    counted = _COUNT.match(bodies[0]) if bodies else None
    expected = min(int(counted[1]), limit) if counted else len(pieces)
    is_whole = all(sorted(parts) == list(range(len(parts))) for parts in pieces.values())
    if not is_whole or not set(pieces).issuperset(range(expected)):
        return ()
    return tuple(b"".join(value for _, value in sorted(pieces[index].items())) for index in range(expected))
