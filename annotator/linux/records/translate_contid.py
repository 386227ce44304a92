"""Contid records of a patched kernel as facts: registrations, and containers whose last process is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, Dropped, Registered
from annotator.linux.contid import link
from annotator.linux.records.syntax import field

if TYPE_CHECKING:
    from annotator.core.model import Actor, Fact

_HEADS = frozenset((b"op=", b"rec", b"con", b"ref", b"opi"))
"""How the bodies of such records begin."""


def operations(records: list[tuple[bytes, bytes]], actor: Actor | None, syscall: bytes) -> tuple[Fact, ...]:
    """CONTAINER_OP records: registrations (with the result, where the log has it) and drops."""
    found: list[Fact] = []
    if not any(body[:3] in _HEADS for _, body in records):
        return ()
    for name, body in records:
        record = link.read(name, body)
        if not isinstance(record, link.ContainerOp):
            continue
        writer = record.writer or actor
        by = writer.pid if writer is not None else NO_PID
        if record.op == "drop":
            found += [Dropped(record.opid, old) for old in record.old[:1]]
        elif record.contid:
            ok = record.res
            if ok is None and syscall:
                ok = field(syscall, b"success") == b"yes"
            found.append(Registered(record.opid, by, record.contid[0], record.outer, ok, old=record.old))
    return tuple(found)
