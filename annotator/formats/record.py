"""The record form: CONTAINER_ID records as the v11 patch writes them, for user space with contid support.

The record stands before the one it speaks for, which gets ` record=N` at its end (SYSCALL, OBJ_PID, NETFILTER_PKT); a
user-space record has it behind, without the link. Stock tools split or drop such events: never the default.
"""

from __future__ import annotations

from annotator.backend import Place
from annotator.formats.raw import MAX_LINE
from annotator.formats.values import list_text
from annotator.model import Attribution, Chain, Event, Status


def write(event: Event, answer: Attribution, place: Place | None, targets: list[Place], *, linked: bool) -> int:
    """Add the records to `event.lines` (a record and the line it stands before are one entry). Returns how many.

    `targets` are the places of the OBJ_PID records, in the order of `answer.targets`; `linked` is False for a
    user-space record.
    """
    number = 0
    if answer.status is Status.CONTAINER and place is not None and _numbered(answer.chains):
        number += 1
        _insert(event, place, answer.chains, number, linked=linked)
    for target, where in zip(answer.targets, targets, strict=False):
        if target.chains and _numbered(target.chains):
            number += 1
            _insert(event, where, target.chains, number, linked=True)
    return number


def _numbered(chains: tuple[Chain, ...]) -> bool:
    return all(container.contid is not None for chain in chains for container in chain)


def _insert(event: Event, place: Place, chains: tuple[Chain, ...], number: int, *, linked: bool) -> None:
    line = event.lines[place.record]
    prefix = b"node=" + event.node + b" " if event.node else b""
    stamp = event.key.rpartition(b" ")[2]
    record = prefix + b"type=CONTAINER_ID msg=audit(" + stamp + b"): record=%d contid=" % number + list_text(chains)
    if not linked:
        event.lines[place.record] = line + b"\n" + record
        return
    link = b" record=%d" % number
    if len(line) + len(link) < MAX_LINE:
        line = line[: place.offset] + link + line[place.offset :]
    event.lines[place.record] = record + b"\n" + line
