"""Tails: the formats of `/etc/security/audit/events`, and reading a tail by its event's format.

The file has one stanza `auditpr:` with lines `Event = printf "…"`, `Event =` (no tail) or a program (IBM *events
File*). The same format reads the printed tail and the binary one: there the arguments lie one after the other, 4 bytes
for %d %o %u %x, 8 for the %l forms, NUL-terminated text for %s. That packing is inferred from the manual; structured
arguments (%A %P %G %L %S %D %T, and letters that are not known) are not public, so reading stops at the first of them
and the rest is kept as bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from annotator.core.errors import FormatError

MAX_TAIL = 1 << 16
"""Longest tail that is taken apart, in bytes; a longer one is kept whole."""

_CONVERSION = re.compile(rb"%(l?[doxXu]|[A-Za-z%])")
_LINE = re.compile(rb"\s*(?P<event>[\x21-\x7e]{1,64}?)\s*=\s*(?P<value>.*)")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"?')
_CONTINUED = re.compile(rb"[ \t]*\\[ \t]*\r?\n[ \t]*")
_ESCAPES = {b"\\n": b"\n", b"\\t": b"\t", b'\\"': b'"', b"\\\\": b"\\"}
_NUMBERS = {
    b"d": re.compile(rb"-?\d{1,20}"),
    b"u": re.compile(rb"\d{1,20}"),
    b"o": re.compile(rb"[0-7]{1,22}"),
    b"x": re.compile(rb"(?:0[xX])?[0-9a-fA-F]{1,16}"),
}


def _number(conversion: bytes) -> re.Pattern[bytes] | None:
    """How a number of this conversion is printed; None for text and for what is structured, as %D is, a device."""
    return _NUMBERS.get(conversion.removeprefix(b"l").replace(b"X", b"x"))


class Part(NamedTuple):
    """Words of a format and the conversion after them (b"" at the end), without `%`. `label` is the value's name."""

    words: bytes
    conversion: bytes
    label: str


class Format(NamedTuple):
    """How one event's tail is printed. `program` is the command that prints it instead, if any."""

    parts: tuple[Part, ...] = ()
    program: bytes = b""


Formats = dict[bytes, Format]


class Tail(NamedTuple):
    """A tail taken apart: values as printed, by label, in order.

    `ambiguous` is set when a text value could end elsewhere (it holds the words that follow it): whoever chose that
    text chose where it seems to end. `rest` is what was not read.
    """

    values: dict[str, bytes]
    ambiguous: bool = False
    rest: bytes = b""

    def number(self, label: str, base: int = 10) -> int | None:
        """A value as a number; None when it is absent or is none."""
        try:
            return int(self.values[label], base)
        except (KeyError, ValueError):
            return None


def parse_printf(text: bytes) -> Format:
    """The parts of a printf format. A label is the words before a value, without their punctuation.

    Values behind the same words are numbered, `epriv` and `epriv_2`. No label has a dot: in JSON that the SIEMs read, a
    dot is the way into an object, and one name cannot be a text and an object.
    """
    parts: list[Part] = []
    taken: set[str] = set()
    words, at, base = b"", 0, ""
    for match in _CONVERSION.finditer(text):
        words += text[at : match.start()]
        at = match.end()
        if match[1] == b"%":
            words += b"%"
            continue
        base = _label(words) or base or "value"
        label, count = base, 1
        while label in taken:
            count += 1
            label = f"{base}_{count}"
        taken.add(label)
        parts.append(Part(words, match[1], label))
        words = b""
    parts.append(Part(words + text[at:], b"", ""))
    return Format(tuple(parts))


def _label(words: bytes) -> str:
    return " ".join(words.decode("ascii", "backslashreplace").strip(" \t\n:=,;.").replace(".", "_").split())[:64]


def parse_events(data: bytes) -> Formats:
    """The `events` file. Lines that are no definition are skipped; FormatError when there is no stanza `auditpr:`.

    A backslash at the end of a line continues it in the next, as in IBM's own example (*events File*).
    """
    formats: Formats = {}
    inside = seen = False
    for line in _CONTINUED.sub(b" ", data).splitlines():
        bare = line.strip()
        if not bare or bare.startswith(b"*"):
            continue
        if bare.endswith(b":") and b"=" not in bare:
            inside = bare == b"auditpr:"
            seen = seen or inside
        elif inside and (match := _LINE.fullmatch(line)):
            formats[match["event"]] = _definition(match["value"].strip())
    if not seen:
        raise FormatError("there is no stanza auditpr: in the events file", "Give /etc/security/audit/events.", 0)
    return formats


def _definition(value: bytes) -> Format:
    if not value:
        return Format()
    if not value.startswith(b"printf"):
        return Format(program=value)
    match = _QUOTED.search(value)
    text = match[1] if match else value[len(b"printf") :].strip()
    return parse_printf(re.sub(rb'\\[nt"\\]', lambda escape: _ESCAPES[escape[0]], text))


# --- printed tails ----------------------------------------------------------------------------------------------------


def read_text(form: Format, tail: bytes) -> Tail | None:
    """The values of a printed tail; None when it does not follow the format. Linear in the length of the tail."""
    if form.program or len(tail) > MAX_TAIL:
        return None
    values: dict[str, bytes] = {}
    ambiguous = False
    at = 0
    for index, part in enumerate(form.parts):
        if not tail.startswith(part.words, at):
            return None
        at += len(part.words)
        if not part.conversion:
            break
        pattern = _number(part.conversion)
        if pattern:
            match = pattern.match(tail, at)
            if match is None:
                return None
            end = match.end()
        else:
            end = _text_end(tail, at, form.parts[index + 1])
            if end < 0:
                return None
            following = form.parts[index + 1].words
            ambiguous = ambiguous or bool(following and tail.find(following, end + 1) >= 0)
        values[part.label] = tail[at:end]
        at = end
    rest = tail[at:]
    return Tail(values, ambiguous, rest) if not rest.strip() or rest in (b"#012", b"012") else None


def _text_end(tail: bytes, at: int, following: Part) -> int:
    """Where a text value ends: before the next words, at the next blank when there are none, or at the end."""
    if following.words:
        return tail.find(following.words, at)
    if not following.conversion:
        return len(tail)
    blank = tail.find(b" ", at)
    return len(tail) if blank < 0 else blank


# --- binary tails -----------------------------------------------------------------------------------------------------


def read_binary(form: Format, tail: bytes, order: str = ">") -> Tail | None:
    """The values of a binary tail, as `auditpr` would print them; None when the bytes end too early.

    Reading stops at the first argument whose form is not public; what follows is in `rest`.
    """
    if form.program:
        return None
    values: dict[str, bytes] = {}
    at = 0
    for part in form.parts:
        kind = part.conversion
        if not kind:
            break
        if kind in (b"s", b"F"):
            end = tail.find(b"\0", at)
            if end < 0:
                return None
            values[part.label] = tail[at:end]
            at = end + 1
        elif _number(kind) is not None:
            size = 8 if kind.startswith(b"l") else 4
            if len(tail) - at < size:
                return None
            values[part.label] = _print(tail[at : at + size], kind.lstrip(b"l"), order)
            at += size
        else:
            break
    return Tail(values, False, tail[at:])


def _print(data: bytes, kind: bytes, order: str) -> bytes:
    number = int.from_bytes(data, "big" if order == ">" else "little", signed=kind == b"d")
    return {b"o": b"%o", b"x": b"%x", b"X": b"%X"}.get(kind, b"%d") % number


# --- without the site's file ------------------------------------------------------------------------------------------

_BUILT_IN = {
    "PROC_Create": "forked child process %d",
    "PROC_Delete": "exited child process %d",  # from memory: no rendered example is public
    "PROC_Execute": "euid: %d egid: %d epriv: %x:%x name %s",
    "PROC_Kill": "pid: %d, sig: %d",
    "PROC_LoadError": "flags: %x, libpath: %s, file: %s",
    "PROC_RealGID": "old rgid: %d, new gid: %d, which: %s",
    "PROC_SetGroups": "group set: %G",
    "PROC_SetUserIDs": "effect: %d, real: %d, saved: %d, login: %d",
    "PROC_Adjtime": "old time: %T, delta: %d:%d",
    "FILE_Open": "flags: %d mode: %o fd: %d filename %s",
    "FILE_Read": "file descriptor = %d filename = %s",
    "FILE_Write": "file descriptor = %d filename = %s",
    "FILE_Unlink": "filename %s",
    "FILE_Link": "linkname %s filename %s",
    "FILE_Rename": "frompath: %s topath: %s",
    "FILE_Pipe": "read: %d write: %d",
    "FS_Chdir": "change current directory to: %s",
    "FS_Chroot": "change root directory to: %s",
    "FS_Mkdir": "mode: %o dir: %s",
    "FS_Rmdir": "remove of directory: %s",
    "USER_Login": "user: %s tty: %s",
    "USER_SU": "%s",  # from memory
    "CRON_Start": "event = %s cmd = %s time = %s",
    "CRON_Finish": "user = %s pid = %s time = %s",
    "SRC_Start": "%s",
    "SRC_Stop": "%s",
    "AUD_It": "cmd: %d arg: %d",
    "AUD_Proc": "pid: %d cmd: %d",
    "TCP_kbind": "fd%d %L",
    "TCP_klisten": "fd%d qlimit %d",
    "TCP_kaccept": "fd%d %L",
}

BUILT_IN: Formats = {event.encode(): parse_printf(text.encode()) for event, text in _BUILT_IN.items()}
"""Rebuilt from tails that public samples show; not the shipped file. Used only where the site's is not given."""
