"""One AIX audit record, whichever trail it came from, and the pieces a trail is cut into.

A record holds only the columns that its trail has: None is "no such column", never a default. Everything is bytes as
printed (text trail) or decoded into the same words (binary trail), so both trails give the same facts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from annotator.core.model import UNSET_ID, Evidence, Stamp

if TYPE_CHECKING:
    from annotator.core.model import Container

GLOBAL = b"Global"
"""The WPAR name that `auditpr` prints outside of WPARs (IBM auditpr Command; rendered in the DISA STIG listing)."""

ENGINE = "wpar"
"""The engine of every container that is a WPAR."""

MAX_WPAR_NAME = 25
"""MAXCORRALNAMELEN of <libperfstat.h>, in bytes."""


class Form(StrEnum):
    """How the record was written."""

    COLUMNS = "columns"  # fixed columns: the layout was read from a title, declared, or is the default one
    LOOSE = "loose"  # collapsed blanks or a relay in between: best effort, nothing in it is proof
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Record:
    """One record. Times are milliseconds of the epoch, UTC; pids are those of Global.

    `ordinal` counts the records of one trail from 1 and stands in for the serial that AIX has not. `ambiguous` is set
    when the local time occurs twice (the hour that a clock change repeats) or never. `wpar` is the name in the record,
    and `wpar_evidence` says whether it is the record's own statement or was inferred from a layout nobody has verified.
    `titled` is set where titles say which words of a LOOSE line are what, `after_loss` where a record before this one
    could not be read.
    `lines` are the input lines without newline, or the one run of bytes of a binary record.
    """

    event: bytes
    ordinal: int
    time_ms: int
    lines: tuple[bytes, ...]
    form: Form
    status: bytes | None = None
    login: bytes | None = None
    ruser: bytes | None = None
    command: bytes | None = None
    pid: int | None = None
    ppid: int | None = None
    tid: int | None = None
    wpar: bytes | None = None
    wpar_evidence: Evidence | None = None
    ckey: int | None = None
    host: bytes | None = None
    role: bytes | None = None
    privileges: bytes | None = None
    cpu_id: bytes | None = None
    tail: bytes = b""
    ambiguous: bool = False
    titled: bool = False
    after_loss: bool = False
    kernel64: bool | None = None
    order: str = ">"
    other: dict[str, bytes] = field(default_factory=dict)

    @property
    def stamp(self) -> Stamp:
        """When, with the ordinal as serial."""
        return Stamp(self.time_ms, self.ordinal)

    @property
    def ok(self) -> bool | None:
        """Whether the call succeeded; None where the record has no status."""
        return None if self.status is None else self.status == b"OK"


@dataclass(frozen=True, slots=True)
class Passed:
    """Input that belongs to no record: titles, dashes, messages, the rest of a record that began before the trail."""

    lines: tuple[bytes, ...]
    why: str = ""


Piece = Record | Passed

_NAME = re.compile(rb"(?![-0])[A-Za-z0-9_.@#$%%?-]{1,%d}" % MAX_WPAR_NAME)


def is_wpar(container: Container) -> bool:
    """Whether a container is a WPAR: those are in an inventory, which has one object for each of their lifetimes."""
    return container.engine == ENGINE


def wpar_name(value: bytes) -> bytes | None:
    r"""A WPAR name as mkwpar and wparexec accept it; None for anything else.

    It has 1 to 25 visible ASCII bytes, none of ``= : / ! ; ` ' " < > ~ & ( ) * + [ ] , ^ { } | \``, and does not begin
    with `-` or `0` (IBM *mkwpar*). IBM's list has the dot too; names with one are accepted, since a host name is the
    usual name of a system WPAR.
    """
    name = value.strip(b" \t")
    return name if _NAME.fullmatch(name) else None


def user_id(value: bytes | None) -> int:
    """A user as `auditpr -r` prints it (a number); UNSET_ID for names, which only the WPAR's own passwd could resolve.

    `auditpr` translates ids with the local /etc/passwd, so a name printed in Global can be wrong for a WPAR.
    """
    if value is None or not value.lstrip(b"-").isdigit() or len(value) > 11:
        return UNSET_ID
    number = int(value)
    return number if 0 <= number < 2**32 else UNSET_ID
