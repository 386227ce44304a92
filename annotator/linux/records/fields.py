"""The body of one record, split into fields with decoded values.

auparse does this too, at 0.4 million records a second and not at all for bytes that are not UTF-8; here it is plain
text work, and a test holds the two equal. Two ways lead through: bodies of a form seen before (all records of the
kernel, as a rule) are cut in one go; anything else is read word by word.

Fields of user records (`msg='…'`) stand beside the record's own; a name that comes twice holds a list. A word without
`=` belongs to the value before it (`subj=docker-default (enforce)`); words before the first field are `text`.
Names in capitals are auditd's enriched copies (after 0x1D, or what a relay makes of it): UID, GID, … are names of
accounts on the machine that recorded; ARCH and SYSCALL replace the numbers, which are not the same on every machine;
SADDR says nothing new.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from annotator.linux.records.decode import DECODERS, call, shown, unhex, untrusted, verdict
from annotator.linux.records.syntax import separator, whole_body

Fields = dict[str, Any]
"""Field name to a value, or to a list of values. Shared between events: never change one."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_ACCESS = re.compile(r"avc: +(granted|denied) +\{([^}]*)\} +for +")
_ARGUMENT = re.compile(r"a([0-9]{1,5})(?:\[([0-9]{1,5})\])?")
_COUNT = re.compile(r"argc=([0-9]{1,9})(?: |$)")
_ENRICHED_ADDRESS = re.compile(r" ?SADDR=\{[^}]*\}")

MAX_SHAPES = 1024
MAX_ARGUMENTS = 4096
"""Arguments of one EXECVE that are shown."""

_ENDS = frozenset(",:')")
"""What may end a list of fields behind a value."""

_SHAPES: dict[tuple[str, ...], tuple[tuple[str, Any], ...]] = {}
"""Names of the fields of a body, in order, to those that need decoding, for bodies with nothing odd in them."""


def text_of(body: bytes) -> str:
    """A line as text, once and for all: other bytes than UTF-8 as backslash, x, two digits."""
    return body.decode("utf-8", "backslashreplace")


def fields_of(kind: str, body: bytes) -> Fields:
    """The decoded fields of a record of type `kind`. Any bytes have an answer."""
    if kind == "EXECVE":
        return arguments(text_of(body).rstrip("\r\n "))
    end, begin = separator(body)
    text = text_of(whole_body(kind.encode(), body[:end])).rstrip("\r\n ")
    fields = _quick(text) or _words(text)
    if begin > end:
        _enrich(fields, text_of(body[begin:]).rstrip("\r\n "))
    if "syscall" in fields and "arch" in fields and isinstance(fields["arch"], str):
        fields["syscall"] = _named_call(fields)
    return fields


def _named_call(fields: Fields) -> Any:
    number = fields["syscall"]
    return call(fields["arch"], number) if isinstance(number, str) else number


def _quick(text: str) -> Fields | None:
    """Cut a body of a known form; None when its form is not known (yet)."""
    parts = text.replace(" ", "=").split("=")
    names = parts[::2]
    shape = _SHAPES.get(tuple(names))
    if shape is None or len(parts) % 2:
        return None
    values = parts[1::2]
    if any(value[-1:] in _ENDS and (value[-1:] != ")" or "(" not in value) for value in values):
        return None  # `_closed` has a say
    fields: Fields = dict(zip(names, values, strict=True))
    if any(value[:1] == '"' and name not in DECODERS for name, value in fields.items()):
        return None  # `_unquoted` has
    for name, decode in shape:
        fields[name] = decode(fields[name])
    return fields


def _words(text: str) -> Fields:
    """Read any body word by word, and remember its form when it is `name=value` throughout."""
    fields: Fields = {}
    access = _ACCESS.search(text)
    if access:
        fields["seresult"], fields["seperms"] = access[1], access[2].strip().replace(" ", ",")
        text = text[: access.start()] + text[access.end() :]
    pairs = _pairs(text)
    for name, value in pairs:
        decode = DECODERS.get(name)
        _add(fields, name, decode(value) if decode else _unquoted(value))
    if not access:
        _learn(text, pairs)
    return fields


def _learn(text: str, pairs: list[tuple[str, str]]) -> None:
    """Remember the form: nothing but `name=value` words, no name twice, no `=` or quote where it could mislead."""
    names = tuple(name for name, _ in pairs)
    plain = " ".join(f"{name}={value}" for name, value in pairs)
    if (
        plain == text
        and len(set(names)) == len(names)
        and len(_SHAPES) < MAX_SHAPES
        and not any(set(value) & set("= '") for _, value in pairs)
    ):
        _SHAPES[names] = tuple((name, DECODERS[name]) for name in names if name in DECODERS)


def _pairs(text: str) -> list[tuple[str, str]]:
    """Names and values as written, in order."""
    own, quote, message = text.partition("msg='")
    return _listed(own) + (_listed(message) if quote else [])


def _listed(text: str) -> list[tuple[str, str]]:
    """The same of the record's own part, or of its message: words of this are no part of a value of that."""
    pairs: list[tuple[str, str]] = []
    for word in text.replace("msg='", " ").split(" "):
        name, equals, value = word.partition("=")
        name = name.lstrip("(")  # programs of long ago: `(hostname=?, addr=?, terminal=? res=success)`
        if equals and _NAME.fullmatch(name):
            pairs.append((name, value))
        elif pairs and word.strip("':,)"):
            last, before = pairs[-1]
            pairs[-1] = (last, f"{before} {word}")
        elif word and not pairs:
            pairs.append(("text", word))
    return [(name, _closed(value)) for name, value in pairs]


def _closed(value: str) -> str:
    """Without the mark that ends a list of fields, as the audit library cuts it off."""
    value = value.removesuffix("'")
    return value[:-1] if value[-1:] in (",", ":") or (value[-1:] == ")" and "(" not in value) else value


def _unquoted(value: str) -> str:
    """A value that is not encoded, without the quotes some programs put around it."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _add(fields: Fields, name: str, value: Any) -> None:
    """Add a value; a name that has one already gets a list."""
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name] = [*fields[name], value]
    else:
        fields[name] = [fields[name], value]


def _enrich(fields: Fields, text: str) -> None:
    """Add auditd's copies; the machine that recorded knows its system calls best."""
    for name, value in _pairs(_ENRICHED_ADDRESS.sub("", text)):
        if name == "ARCH":
            fields["arch"] = value
        elif name == "SYSCALL":
            fields["syscall"] = value if not value.startswith("unknown") else fields.get("syscall", value)
        elif name.isupper():
            _add(fields, name, untrusted(value))


def arguments(text: str) -> Fields:
    """EXECVE: `argc`, then `a0`, `a1`, … with the pieces `aN[m]` of this record joined. `aN_len` is left out."""
    fields: Fields = {}
    if text[:5] == "argc=":
        fields["argc"] = text[5:].partition(" ")[0]
    for at, pieces in sorted(_pieces([text]).items()):
        fields[f"a{at}"] = shown(b"".join(value for _, value in sorted(pieces.items())))
    return fields


class Arguments(NamedTuple):
    """The arguments of one execve, in their places: a missing one, or piece of one, is `MISSING`.

    `total` is how many there were, by the kernel (None: its first record is lost); `cut`: these are not all of them.
    """

    values: list[str]
    total: int | None
    cut: bool


MISSING = "\u2026"
"""Stands for what the log does not have."""


def arguments_of(texts: list[str]) -> Arguments:
    """The arguments out of all EXECVE records of one event: a long list, or a long argument, goes over several."""
    counted = next((match for text in texts if (match := _COUNT.match(text))), None)
    total = int(counted[1]) if counted else None
    pieces = _pieces(texts)
    cut = total is None or total > len(pieces)
    values: list[str] = []
    for at, parts in sorted(pieces.items()):
        if at >= MAX_ARGUMENTS:
            cut = True
            break
        if at > len(values):
            values += [MISSING] * (at - len(values))
            cut = True
        value, following = b"", 0
        for part, data in sorted(parts.items()):
            if part != following:
                value, cut = value + MISSING.encode(), True
            value, following = value + data, part + 1
        values.append(shown(value))
    return Arguments(values, total, cut)


def _pieces(texts: list[str]) -> dict[int, dict[int, bytes]]:
    """The pieces of each argument by their numbers; what is there twice counts once."""
    values: dict[int, dict[int, bytes]] = {}
    for text in texts:
        for word in text.split(" "):
            name, equals, value = word.partition("=")
            named = _ARGUMENT.fullmatch(name) if equals else None
            if named is None:
                continue
            at = int(named[1])
            if at in values or len(values) < MAX_ARGUMENTS:
                data = value[1:].partition('"')[0] if value[:1] == '"' else unhex(value) or value
                piece = data if isinstance(data, bytes) else data.encode()
                values.setdefault(at, {}).setdefault(int(named[2] or 0), piece)
    return values


def yes(fields: Fields) -> str | None:
    """The outcome in the record: `success`, `failure`, or None where the record has none."""
    result = fields.get("success", fields.get("res", fields.get("result")))
    result = result[-1] if isinstance(result, list) else result
    return {"yes": "success", "success": "success", "no": "failure", "failed": "failure"}.get(verdict(str(result)))
