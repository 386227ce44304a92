"""What syslog puts before each line of a trail that was piped into logger(1), and auditpr's own messages.

Forms of syslogd on AIX, from public configurations (`auditpr -v | logger -p local7.info`), not seen on a real system by
us: `Mar  2 10:15:03 HOST local7:info TAG: `, and `Mar  2 10:15:03 Message forwarded from HOST: TAG: ` after another
syslogd. The facility may be absent. rsyslog writes RFC 3339 times.
"""

from __future__ import annotations

import re

from annotator.aix import columns, dates

_PREFIX = re.compile(
    rb"(?:<\d{1,3}>(?:\d )?)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.:+Z-]{0,16}) "
    rb"(?:Message forwarded from (?P<from>[^\s:]{1,255}):|(?P<host>[^\s:]{1,255}))"
    rb"(?: [a-z|]{2,24}\d{0,2}[:.][a-z]{2,8})? (?P<tag>[^\s:]{1,64}):(?: |$)"
)
_REPEATED = re.compile(rb"last message repeated \d+ times?$")
MESSAGE = re.compile(rb"audit(?:pr|stream|cat|select|bin)?: ")
"""How messages of the audit commands begin, which `2>&1` puts between the records."""


class Relay:
    """Takes the prefix off the lines of one file; the first line decides whether its lines have one.

    A syslog file holds lines of other programs too. The trail's are those of the host and the tag under which the first
    title or record came.
    """

    def __init__(self) -> None:
        self._relayed: bool | None = None
        self._source: tuple[bytes, bytes] | None = None

    @property
    def node(self) -> bytes:
        """The host whose trail it is, as the relay calls it; b"" where there is no relay."""
        return self._source[0] if self._source is not None else b""

    def bare(self, line: bytes) -> bytes | None:
        """The line as auditpr printed it; None when it is no line of the trail."""
        match = _PREFIX.match(line)
        if self._relayed is None and line.strip():
            self._relayed = match is not None
        if not self._relayed:
            return line
        if match is None:
            return None
        source, text = (match["from"] or match["host"], match["tag"]), line[match.end() :]
        if self._source is None and (columns.is_title(text) or dates.ANY.search(text)):
            self._source = source
        return text if source == self._source and not _REPEATED.match(text) else None
