"""The machine that a syslog relay names in front of a record.

RFC 3164 and its kin write `[<PRI>]Mmm dd hh:mm:ss HOST TAG: `, rsyslog's file format the time as in RFC 3339, RFC 5424
`<PRI>1 TIME HOST APP PROCID MSGID SD `. A host that is not known is `-` there, and left out elsewhere: the word behind
the time is then the tag, which ends in a colon or has brackets.
"""

from __future__ import annotations

import re

_HOST = re.compile(
    rb"(?:<\d{1,3}>)?(?:\d )?"
    rb"(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4})?"
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
    rb" ([A-Za-z0-9](?:[A-Za-z0-9._:/@%-]{0,253}[A-Za-z0-9_.%])?)(?: |\Z)"
)


def relay_host(prefix: bytes) -> bytes:
    """The host in the text before a record's head, without the blank behind it; b"" where none is named."""
    match = _HOST.match(prefix)
    return match[1] if match is not None else b""
