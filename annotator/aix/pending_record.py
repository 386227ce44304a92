"""A record of the text trail while its tail may still grow, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.aix.record import Form, Record, wpar_name
from annotator.core.model import Evidence

if TYPE_CHECKING:
    from annotator.aix.columns import Fields
    from annotator.aix.dates import Moment

INDENT = b" " * 8
"""Blanks before a tail (rendered in the DISA STIG listing)."""

Logical = tuple[tuple[bytes, ...], bytes | None]
"""Input lines, and the one line they were before a terminal broke it; None for what is no part of the record."""


class PendingRecord:
    """A record whose tail may still grow."""

    __slots__ = ("after_loss", "fields", "form", "inline", "moment", "raw", "size", "sure", "tail", "titled")

    def __init__(self, raw: tuple[bytes, ...], fields: Fields, inline: bytes, moment: Moment, form: Form) -> None:
        self.raw = raw
        self.fields = fields
        self.inline = inline
        self.moment = moment
        self.form = form
        self.sure = self.titled = self.after_loss = False
        self.tail: list[Logical] = []
        self.size = sum(map(len, raw))


def finish(pending: PendingRecord, ordinal: int) -> Record:
    """The record as it is when nothing more can belong to it."""
    fields = pending.fields
    wpar = wpar_name(fields["W"]) if "W" in fields else None
    return Record(
        event=fields["e"],
        ordinal=ordinal,
        time_ms=pending.moment.ms,
        ambiguous=pending.moment.ambiguous,
        titled=pending.titled,
        after_loss=pending.after_loss,
        lines=(*pending.raw, *(piece for raw, _ in pending.tail for piece in raw)),
        form=pending.form,
        status=fields.get("R"),
        login=fields.get("l"),
        ruser=fields.get("r"),
        command=fields.get("c"),
        pid=_number(fields.get("p")),
        ppid=_number(fields.get("P")),
        tid=_number(fields.get("T")),
        wpar=wpar,
        wpar_evidence=None if wpar is None else Evidence.TRAIL if pending.sure else Evidence.INFERRED,
        host=fields.get("h"),
        role=fields.get("i"),
        privileges=fields.get("E"),
        tail=_tail(pending),
        other={key: value for key, value in fields.items() if len(key) > 1 or key in "SI"},
    )


def _number(value: bytes | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _tail(pending: PendingRecord) -> bytes:
    """The tail as it was before printing: without the indent, newlines where it had them."""
    lines = [line for _, line in pending.tail if line is not None]
    if lines and lines[0].startswith(INDENT):
        lines[0] = lines[0][len(INDENT) :]
    elif lines and lines[0].startswith(b"\t"):
        lines[0] = lines[0][1:]
    return b"\n".join([pending.inline, *lines] if pending.inline.strip() else lines)
