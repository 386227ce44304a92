"""Telling an audit log by its first bytes from the forms that have lost what is needed.

Only the shapes of lines are looked at. The decision is generous: a single audit record makes it a log. What is not
known may begin so; an input in which nothing is a record is none. Shapes of `ausearch` output: ausearch(8),
`--format`, audit 3.0.9.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from annotator.core.errors import FormError
from annotator.io.sources.decompression import packing

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = 64 * 1024
"""Bytes of the beginning that are looked at."""

PATIENCE = 4 * 1024 * 1024
"""Bytes without a record after which an input is taken for no audit log. A full disk or a crash leaves less."""


class Form(StrEnum):
    """What the input looks like."""

    RECORDS = "records"  # audit.log, plugin stream, `ausearch --raw`, relayed by syslog
    AUSEARCH = "ausearch"  # plain `ausearch`: `----`, `time->`, the records of an event reversed
    INTERPRETED = "interpreted"  # `ausearch -i`
    CSV = "csv"
    TEXT = "text"
    KERNEL = "kernel"  # printk, journald or syslog lines of the kernel itself
    AIX = "aix"
    EMPTY = "empty"
    UNKNOWN = "unknown"


_LINE = re.compile(
    rb"""
      (?P<csv>  NODE,EVENT,DATE,TIME, | [^,"]{0,255},[A-Z][A-Z0-9_]+,[\d./-]+,\d\d:\d\d:\d\d[^,]{0,3}, )
    | (?P<text> (?:On[ ]\S+[ ]at|At)[ ]\d\d:\d\d:\d\d[^,]{0,3}[ ][\d./-]+[ ] )
    | (?P<mark> ----\r?$ | time->\w )
    | (?P<json> \{.{0,4096}?"_AUDIT_TYPE_NAME" )
    | [^"'{}]{0,512}? (?<![\w.=-])                     # what a relay puts before the record: never quotes
      (?: type=[A-Z0-9_]+(?:\[\d+\])?[ ]msg=audit\(
          (?: (?P<records>     \d+(?:\.\d+)?(?::\d+)?\) )
            | (?P<interpreted> [^()]{6,64}:\d+\)[ ]?: ) )
        | (?P<kernel> audit(?:\[\d+\])?:[ ](?:[A-Z][A-Z0-9_]{2,}|UNKNOWN\[\d+\])[ ]
                    | (?:type=[A-Z0-9_]+[ ])?audit\(\d+\.\d+:\d+\):[ ] ) )
    """,
    re.VERBOSE,
)
"""A line's shape: the name of the group that matched. The lazy prefix makes the leftmost record head win."""

_TITLES = re.compile(rb"event\s(?=.*\bstatus\b)(?=.*\btime\b).*\bcommand\b|event\s+login\s+status\s+time\s")
_TITLE_WORDS = {b"event", b"status", b"time", b"command", b"process", b"parent", b"wpar"}
_DASHES = re.compile(rb" ?-+(?: -+)+ ?\r?$")
"""What `auditpr` prints below titles, whatever their order: of those two words are enough, since a terminal may break
the line in any place."""

_TIME = rb"(?:[A-Za-z]{3} [A-Za-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}|\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d:\d\d\.\d{6})"
_TRAIL = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{1,14} .*\b(?:OK|FAIL(?:_[A-Z]+)?) .*?" + _TIME + rb"(?: |$)")
_BIN = re.compile(rb"\xf0\xf0[\x00-\x0f\x80-\x8f][\x00-\x02]")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{1,14}\0+")


_RELAYED = re.compile(
    rb"(?:<\d{1,3}>(?:\d )?)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.:+Z-]{0,16}) "
    rb"(?:Message forwarded from [^\s:]{1,255}:|[^\s:]{1,255})(?: [a-z|]{2,24}\d{0,2}[:.][a-z]{2,8})? "
    rb"[^\s:]{1,64}:(?: |$)"
)
"""What syslogd puts before each line of a trail that was piped into logger(1): see `annotator.aix.relay`."""


def looks_binary(head: bytes) -> bool:
    """Whether it begins as a binary AIX trail (<sys/audit.h>).

    A bin starts with 0xF0F0, version, kind; a stream with a record: extension length, version, tail length (u16) and an
    event name of 16 bytes, padded with NUL; the version is the other byte where the order of bytes is reversed.
    """
    if _BIN.match(head):
        return True
    return len(head) >= 20 and min(head[0] & 0x7F, head[1] & 0x7F) < 16 and _NAME.fullmatch(head, 4, 20) is not None


def looks_aix(head: bytes) -> bool:
    """Whether it begins as an AIX audit trail: a binary one, or `auditpr` titles or a record line."""
    if looks_binary(head):
        return True
    titled = False
    for line in head[:HEAD].split(b"\n")[:20]:
        if _shape(line) in ("records", "interpreted"):
            return False
        if (relayed := _RELAYED.match(line[:1024])) is not None:
            line = line[relayed.end() :]
        if _TITLES.match(line[:512]) or _TRAIL.match(line[:512]) or (titled and _DASHES.match(line[:512])):
            return True
        titled = titled or len(_TITLE_WORDS.intersection(line[:512].split())) > 1
    return False


def recognise(head: bytes, aix: Callable[[bytes], bool] = looks_aix) -> Form:
    """The form of an input that begins with these bytes (any bytes; only the first 64 KiB count).

    Within a line the leftmost shape decides, since what follows is text that a user may have chosen. Among lines an
    audit record outweighs all else; without one the most frequent shape is the answer.
    """
    head = head[:HEAD]
    if not head.strip():
        return Form.EMPTY
    if aix(head):
        return Form.AIX
    seen: dict[str, int] = {}
    for line in head.split(b"\n"):
        if shape := _shape(line):
            seen[shape] = seen.get(shape, 0) + 1
    marks = seen.pop("mark", 0)
    if "json" in seen:  # journalctl -o json
        seen["kernel"] = seen.get("kernel", 0) + seen.pop("json")
    if "records" in seen:
        return Form.AUSEARCH if marks else Form.RECORDS
    return Form(max(seen, key=lambda shape: seen[shape])) if seen else Form.UNKNOWN


def is_settled(form: Form) -> bool:
    """Whether the bytes that were looked at told what the input is."""
    return form not in (Form.EMPTY, Form.UNKNOWN)


def has_record(text: bytes) -> bool:
    """Whether some line of a text is an audit record, however far it reaches."""
    return b" msg=audit(" in text and any(_shape(line) == "records" for line in text.split(b"\n"))


def refuse_unknown(head: bytes, origin: str) -> None:
    """Raise FormError for an input that begins with these bytes and in which nothing is an audit record."""
    start = head[:HEAD].lstrip()
    what, advice = "no audit record is in it", "Give audit.log as auditd writes it, or the output of `ausearch --raw`."
    if packing(head):
        what, advice = "it is compressed", "Give it without --follow, or decompress it first."
    elif b"\0" in head[:HEAD]:
        what = "no audit record is in it; it is binary"
    elif (
        start.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=", b"_BOOT_ID=")) or b"\n_TRANSPORT=audit" in head[:HEAD]
    ):
        what = "no audit record is in it: it is the journal's export, which has lost parts of the records"
    elif start.startswith((b"{", b"[")):
        what = "no audit record is in it: it is JSON, perhaps another tool's output"
    elif b"{" in start[:512]:
        what = "no audit record is in it: where records are inside JSON, quotes are escaped and text follows them"
        advice = "Take the records out of it (`jq -r .MESSAGE`), or give audit.log as auditd writes it."
    raise FormError(f"{origin}: {what}", advice)


def _shape(line: bytes) -> str:
    """The name of the shape that begins leftmost, '' when there is none."""
    found = _LINE.match(line)
    return found.lastgroup or "" if found is not None else ""


_ADVICE = {
    Form.INTERPRETED: (
        "interpreted output (`ausearch -i`): its times are local and its values are no longer those of the log",
        "Use `ausearch --raw` with the same search, or give the log file itself.",
    ),
    Form.CSV: (
        "CSV output (`ausearch --format csv`): the records are gone from it",
        "Use `ausearch --raw` with the same search, or give the log file itself.",
    ),
    Form.TEXT: (
        "text output (`ausearch --format text`): the records are gone from it",
        "Use `ausearch --raw` with the same search, or give the log file itself.",
    ),
    Form.KERNEL: (
        "the kernel's or the journal's form of audit messages: records are cut, rate-limited and lose their types",
        "Run auditd and give /var/log/audit/audit.log, or its output from `ausearch --raw`.",
    ),
}


def refuse(form: Form, origin: str) -> None:
    """Raise FormError, with what to use instead, for a form that cannot be annotated; else nothing."""
    if form in _ADVICE:
        what, advice = _ADVICE[form]
        raise FormError(f"{origin}: this is {what}", advice)
