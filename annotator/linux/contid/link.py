"""The contid records of one event: which process or packet each of them is about.

v10 and v11 number them: CONTAINER_ID, and the SYSCALL, OBJ_PID or NETFILTER_PKT it speaks for, end in the same
` record=N`; a record without a number is in no container. Before v10 only the place tells: behind an OBJ_PID, a
NETFILTER_PKT or a USER record it is theirs, behind CWD, PATH or PROCTITLE it is the actor's.
Source: patches V5 to v11, and logs of a patched kernel in both forms.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.linux.contid.records import Chains, ContainerId, ContainerOp, is_lost, read

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = [
    "AMBIGUOUS",
    "LOST",
    "Chains",
    "ContainerId",
    "ContainerOp",
    "LinkedChains",
    "Links",
    "is_lost",
    "is_numbered",
    "link",
    "read",
]


class Unsure(Enum):
    """The types of `AMBIGUOUS` and `LOST`."""

    AMBIGUOUS = "ambiguous"
    LOST = "lost"


AMBIGUOUS: Final = Unsure.AMBIGUOUS
"""A CONTAINER_ID is there, but the log does not tell whether it speaks for this one."""

LOST: Final = Unsure.LOST
"""The record ends in ` record=N`, so that the kernel wrote a CONTAINER_ID for it, which is not in the log."""

LinkedChains = Chains | Unsure | None
"""The chains that an event gives one process or packet. None: nothing is written; (): it is in no container."""

TypeAndBody = tuple[bytes, bytes]
"""Type name and body of one record."""


class Links(NamedTuple):
    """The chains that the CONTAINER_IDs of one event give its actor, its targets and its packet.

    `targets` has every OBJ_PID, by its index in the event. The packet's chains are all containers of its network
    namespace. On v10 and v11, None for the actor of an event with a SYSCALL means the kernel saw it in no container.
    """

    actor: LinkedChains
    targets: dict[int, LinkedChains]
    packet: LinkedChains


_OBJ_PID = frozenset((b"OBJ_PID", b"UNKNOWN[1318]"))
_PACKET = frozenset((b"NETFILTER_PKT", b"UNKNOWN[1324]"))
_SYSCALL = frozenset((b"SYSCALL", b"UNKNOWN[1300]"))
_END = frozenset((b"EOE", b"UNKNOWN[1320]"))
_BEHIND_TARGETS = frozenset((b"CWD", b"PATH", b"PROCTITLE", b"UNKNOWN[1307]", b"UNKNOWN[1302]", b"UNKNOWN[1327]"))
"""What a kernel before v10 writes between the targets and the actor's CONTAINER_ID."""


def link(records: Sequence[TypeAndBody], *, reversed_order: bool = False) -> Links:
    """Say for whom each CONTAINER_ID of an event speaks. `reversed_order`: last record first, as ausearch prints.

    An event is all records of one stamp, in the order of the log; indexes are those of `records` as handed in.
    """
    if reversed_order:
        last = len(records) - 1
        links = link(records[::-1])
        return links._replace(targets={last - index: chains for index, chains in sorted(links.targets.items())[::-1]})
    container_ids: dict[int, ContainerId] = {}
    for index, (type_name, body) in enumerate(records):
        record = read(type_name, body)
        if isinstance(record, ContainerId):
            container_ids[index] = record
    targets = [index for index, (type_name, _) in enumerate(records) if type_name in _OBJ_PID]
    if not container_ids:
        return _lost(records, targets)
    if any(record.record is not None for record in container_ids.values()):
        return _by_number(records, container_ids, targets)
    return _by_place(records, container_ids, targets)


def _lost(records: Sequence[TypeAndBody], targets: Sequence[int]) -> Links:
    """An event without CONTAINER_ID: a number at the end of a record says that one is lost."""
    calls = [body for type_name, body in records if type_name in _SYSCALL]
    actor = LOST if any(_number_at_end(body) is not None for body in calls) else None
    return Links(
        actor, {index: LOST if _number_at_end(records[index][1]) is not None else None for index in targets}, None
    )


def _by_number(
    records: Sequence[TypeAndBody], container_ids: Mapping[int, ContainerId], targets: Collection[int]
) -> Links:
    """Link as v10 and v11 write it. A number nobody else bears is the sender's of a USER record, which bears none."""
    numbered: dict[int, dict[int, Chains]] = {}
    for index, record in container_ids.items():
        if record.record is not None:
            numbered.setdefault(record.record, {})[index] = record.chains
    packets = [index for index, (type_name, _) in enumerate(records) if type_name in _PACKET]
    calls = [index for index, (type_name, _) in enumerate(records) if type_name in _SYSCALL]
    number = {index: _number_at_end(records[index][1]) for index in (*targets, *packets, *calls)}
    linked = {
        index: _in_front(numbered[at], index) if at in numbered else LOST
        for index, at in number.items()
        if at is not None
    }
    taken = {number[index] for index in (*targets, *packets)}
    actor: LinkedChains = None
    if any(number[index] is not None for index in calls):
        actor = _one({linked[index] for index in calls if number[index] is not None})
    elif any(_is_user(*record) for record in records):
        actor = None if 1 in taken else _one(set(numbered.get(1, {}).values()))
    elif not calls and not taken.issuperset(numbered):
        actor = AMBIGUOUS  # its SYSCALL, or the OBJ_PID it speaks for, is not in the log
    packet = _one({linked[index] for index in packets if index in linked} - {LOST})
    return Links(actor, {index: linked.get(index) for index in targets}, packet)


def _in_front(same: Mapping[int, Chains], index: int) -> LinkedChains:
    """The chains of the CONTAINER_IDs of one number; of several, those directly in front, as the kernel writes."""
    return same[index - 1] if index - 1 in same else _one(set(same.values()))


def is_numbered(body: bytes) -> bool:
    """Whether a record ends in the number of its CONTAINER_ID (V10 on)."""
    return _number_at_end(body) is not None


def _number_at_end(body: bytes) -> int | None:
    """The N of ` record=N` at the end of a body; our own fields (`contid=…`, `cont…=`) may follow it."""
    _, separator, rest = body.rpartition(b" record=")
    number, _, tail = rest.partition(b" ")
    if not separator or not number.isdigit() or len(number) > 9 or not (tail == b"" or tail.startswith(b"cont")):
        return None
    return int(number)


def _by_place(
    records: Sequence[TypeAndBody], container_ids: Mapping[int, ContainerId], targets: Sequence[int]
) -> Links:
    """Link as V5 to V9 write it (and, as far as is known, V2 to V4).

    Where the OBJ_PID in front is the last and nothing parts it from the actor's place, both are ambiguous. So is the
    actor where a CONTAINER_ID stands in front of CWD, PATH or PROCTITLE without its OBJ_PID, which may be lost.
    """
    names = [type_name for type_name, _ in records]
    alone = not any(index not in container_ids and name not in _END for index, name in enumerate(names))
    only_packet = not targets and _SYSCALL.isdisjoint(names) and not _PACKET.isdisjoint(names)
    goes_on = max(
        (index for index, name in enumerate(names) if name in _BEHIND_TARGETS or name in _OBJ_PID), default=-1
    )
    linked: dict[int, LinkedChains] = dict.fromkeys(targets)
    actors: set[LinkedChains] = set()
    packets: set[LinkedChains] = set()
    strays = alone
    for index, record in container_ids.items():
        before = names[index - 1] if index else b""
        if only_packet or before in _PACKET:
            packets.add(record.chains)
        elif before in _OBJ_PID and (goes_on > index or index + 1 in container_ids):
            linked[index - 1] = record.chains
        elif before in _OBJ_PID:
            linked[index - 1] = AMBIGUOUS
            strays = True
        elif goes_on > index and not (index and _is_user(*records[index - 1])):
            strays = True
        elif not alone:
            actors.add(record.chains)
    return Links(_one(actors) if actors or not strays else AMBIGUOUS, linked, _one(packets))


def _is_user(type_name: bytes, body: bytes) -> bool:
    """Whether a user program sent this record: the kernel puts the sender in front, and quotes the message."""
    return body[:4] == b"pid=" and (b" msg=" in body or type_name[:4] == b"USER")


def _one(every: Collection[LinkedChains]) -> LinkedChains:
    """The chains that all agree on; AMBIGUOUS where they differ, None where there are none."""
    if not every:
        return None
    return next(iter(every)) if len(every) == 1 else AMBIGUOUS
