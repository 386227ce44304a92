"""A record in one line whose columns are lost: its blanks were collapsed, or a relay put something before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annotator.aix import dates
from annotator.aix.columns import fits

if TYPE_CHECKING:
    from annotator.aix.columns import Fields

_LOOSE = re.compile(
    rb"(?P<before>.{0,4000}?)(?<!\S)(?P<e>[A-Z][A-Za-z0-9]{0,12}_[A-Za-z0-9_]{1,14})\s+(?P<left>(?:[^\s]{1,64}\s+){0,6}?)"
    rb"(?P<R>OK|FAIL(?:_[A-Z]{2,8})?|TCB_MOD)\s+(?P<when>" + dates.ANY.pattern + rb")(?:\s+|$)(?P<right>.*)",
    re.DOTALL,
)
_RELAY = re.compile(rb"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,255} [^\s:]{1,64}: ")
"""What a syslog relay puts before a line: time, host, program."""
_NO_ROLE = b"No associated roles"


def cut_loose(line: bytes, letters: str = "") -> tuple[Fields, bytes] | None:
    """A whole record in one line whose blanks were collapsed, or that a relay put a prefix before: best effort.

    Order: event, users, status, time, the rest. Without `letters`, three words before the status are command, login
    and real user (the only public sample), one is the login; two words after the time are command and WPAR. A tail
    that a relay moved before the event is given back as the tail. A line that is indented as a tail is one,
    whatever it looks like.
    """
    if line.startswith((b" " * 8, b"\t")):
        return None
    match = _LOOSE.match((line[relay.end() :] if (relay := _RELAY.match(line)) else line)[:8192])
    if match is None:
        return None
    fields: Fields = {"e": match["e"], "R": match["R"], "t" if match["when"][:1].isalpha() else "d": match["when"]}
    left, right = match["left"].split(), match["right"]
    if letters:
        return _by_letters(fields, letters, left, right)
    names = {1: "l", 3: "clr"}.get(len(left), "")
    fields.update(zip(names, left, strict=False))
    if len(left) == 3:
        fields["i"], right = _role(right)
    else:
        words = right.split()
        if len(words) in (1, 2):
            fields.update(zip("cW", words, strict=False))
            right = b""
    before = match["before"].strip()
    return fields, right or before


def _role(right: bytes) -> tuple[bytes, bytes]:
    if right.startswith(_NO_ROLE):
        return _NO_ROLE, right[len(_NO_ROLE) :].lstrip(b" ")
    word, _, rest = right.partition(b" ")
    return word, rest.lstrip(b" ")


def _by_letters(fields: Fields, letters: str, left: list[bytes], right: bytes) -> tuple[Fields, bytes] | None:
    """Words to declared letters; None when a side has another number of words than letters."""
    when = "t" if "t" in letters else "d"
    at = letters.index(when)
    before = [letter for letter in letters[:at] if letter not in "eR"]
    if len(before) != len(left):
        return None
    fields[when] = fields.pop("t" if "t" in fields else "d")
    fields.update(zip(before, left, strict=True))
    for letter in letters[at + 1 :]:
        right = right.lstrip(b" ")
        if letter == "i":
            fields[letter], right = _role(right)
        else:
            fields[letter], _, right = right.partition(b" ")
    return (fields, right.lstrip(b" ")) if fits(fields) else None
