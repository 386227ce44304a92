"""The records of the audit container identifier patches (V2 to v11, 2018 to 2021), read from the body of one record.

The patches were never merged, and every number they used for CONTAINER_ID means something else on a mainline kernel
(1332 TIME_INJOFFSET, 1334 BPF, 1335 EVENT_LISTENER, 1336 URINGOP). So the body decides, never the number or the name.
A *body* is the text after `msg=audit(...): `, before 0x1D, without fields that this program appended.
Functions here return an answer or None; no bytes make them raise.

Sources: the patch texts of V6 to v11 and their cover letters, and recorded logs of a patched kernel. The words of V2
to V4 are known only from changelogs; those forms are read by shape.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import TYPE_CHECKING, Literal, NamedTuple

from annotator.core.model import CONTID_UNSET, NO_PID, UNSET_ID, Actor, ContId

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LIST = 4096
"""Bytes of one list of contids that are read. The kernel's own limit is that of a record's text, 8560."""
MAX_IDS = 512
"""Identifiers in one list, over all chains."""
MAX_BODY = 8970
"""Bytes of a record's text: what auditd writes on one line."""

Ids = tuple[ContId, ...]
"""One chain: the container, then those around it, nearest first. () is 'unset'."""
Chains = tuple[Ids, ...]
"""Several chains only where several containers share a network namespace. () is 'unset'."""
Versions = tuple[int, int]
"""The first and the last patch version that writes such a record."""


class ContainerOp(NamedTuple):
    """A CONTAINER_OP: an identifier was asked for (also when refused), or the last process of one is gone.

    `opid` is the process (pid of the first namespace), `contid` what it was to have, `old` what it had. `res` is
    None from V8 on: then only `success=` of the SYSCALL record tells. `writer` is None from V8 on.
    """

    op: Literal["set", "drop"]
    opid: int
    contid: Ids
    old: Ids
    res: bool | None
    writer: Actor | None
    versions: Versions

    @property
    def outer(self) -> Ids:
        """The containers around the new one, if the set succeeds: V7 and V8 write them, V9 on leaves them in `old`."""
        return self.contid[1:] if len(self.contid) > 1 or self.res is not None else self.old


class ContainerId(NamedTuple):
    """A CONTAINER_ID. `record` (v10 on) gives the record it belongs to, else its place does (`link`).

    `ref` is the word of V2 to V4 (`op=` or `ref=`).
    """

    chains: Chains
    record: int | None
    ref: bytes | None
    versions: Versions


class CapContid(NamedTuple):
    """A SET_CAPCONTID (1028 in V7, 1022 later): process `opid` may, or may no longer, write contids."""

    opid: int
    capcontid: int
    old: int
    res: bool | None
    writer: Actor | None


class NamespaceRecord(NamedTuple):
    """The namespace inodes behind a USER record, as proposed in 2013 (type 1327, PROCTITLE since 3.14)."""

    mnt: int
    net: int
    uts: int
    ipc: int
    pid: int
    user: int


ContidRecord = ContainerOp | ContainerId | CapContid | NamespaceRecord

_HEADS = frozenset((b"op=", b"rec", b"con", b"ref", b"opi", b"mnt"))
_UNSET = frozenset((b"18446744073709551615", b"-1", b"unset"))
_LIST = re.compile(rb"[0-9]{1,20}(?:,?\^[0-9]{1,20}|,[0-9]{1,20})*")
_AUXILIARY = re.compile(rb"(?:record=([0-9]{1,9}) |(?:op|ref)=([^ =]{1,64}) )?contid=([^ ]+) *")
_NAMESPACES = re.compile(
    rb"mnt=([0-9]{1,20}) net=([0-9]{1,20}) uts=([0-9]{1,20}) ipc=([0-9]{1,20}) pid=([0-9]{1,20}) user=([0-9]{1,20}) *"
)
_HEX = re.compile(rb"(?:[0-9A-F]{2})+")
_LOST = re.compile(rb"(?:node=[^ ]+ )?type=(?:UNKNOWN\[1020\]|CONTAINER_OP) msg=lost[ \r\n\x1d]*")


def parse_list(value: bytes) -> Chains | None:
    """Read a list in the old notation (`3^2^1`) and the new (`3,^2,^1`); plain commas part chains.

    All three spellings of unset give (). None for what is no list: empty places, a number above 2**64-2, or more than
    MAX_LIST bytes or MAX_IDS identifiers.
    """
    if value in _UNSET:
        return ()
    if len(value) > MAX_LIST or _LIST.fullmatch(value) is None:
        return None
    chains = tuple(
        tuple(ContId(int(number)) for number in chain.split(b"^")) for chain in value.replace(b",^", b"^").split(b",")
    )
    ids = [contid for chain in chains for contid in chain]
    return chains if len(ids) <= MAX_IDS and max(ids) < CONTID_UNSET else None


def read(type_name: bytes, body: bytes) -> ContidRecord | None:
    """Tell what contid record this body is; None for every record of a mainline kernel, whatever its number.

    The name only keeps out DAEMON_* records, which auditd writes itself. Bodies with names for numbers (`uid=root`,
    `comm=bash`, as `ausearch -i` prints) are refused: what they left out cannot be told.
    """
    if body[:3] not in _HEADS or len(body) > MAX_BODY or type_name[:7] == b"DAEMON_":
        return None
    if body[:7] in (b"op=set ", b"op=drop"):
        return _operation(body)
    if body[:5] == b"opid=":
        return _capability(body) if b" capcontid=" in body else None
    if body[:4] == b"mnt=":
        match = _NAMESPACES.fullmatch(body)
        return NamespaceRecord(*map(int, match.groups())) if match else None
    return _auxiliary(body)


def _operation(body: bytes) -> ContidRecord | None:
    """Read a CONTAINER_OP. Without `opid=` it can only be a V2 to V4 CONTAINER_ID whose word is `set` or `drop`."""
    if b" opid=" not in body:
        return _auxiliary(body)
    fields = _fields(body)
    opid, op = _number(fields[b"opid"], 2**31), fields[b"op"]
    new, old = parse_list(fields.get(b"contid", b"")), parse_list(fields.get(b"old-contid", b""))
    if opid is None or new is None or old is None or max(len(new), len(old)) > 1 or not _is_raw(fields):
        return None
    if op not in (b"set", b"drop"):
        return None
    return ContainerOp(
        op="set" if op == b"set" else "drop",
        opid=opid,
        contid=new[0] if new else (),
        old=old[0] if old else (),
        res=_result(fields),
        writer=_writer(fields),
        versions=_operation_versions(fields, body.find(b" old-contid=") < body.find(b" contid=")),
    )


def _operation_versions(fields: Mapping[bytes, bytes], old_first: bool) -> Versions:
    """Guess who wrote a CONTAINER_OP, from its shape alone (the numbers moved from version to version)."""
    lists = fields[b"contid"] + b" " + fields[b"old-contid"]
    comma, caret = b",^" in lists, b"^" in lists.replace(b",^", b"")
    drop = fields[b"op"] == b"drop"
    if b"res" in fields or b"pid" in fields:
        if old_first:
            return (2, 5)
        return (7, 7) if caret or drop else (6, 7)
    if caret:
        return (8, 8)
    if drop:
        return (10, 11) if fields[b"contid"] == b"-1" else (9 if comma else 8, 9)
    return (9, 11) if comma or fields[b"old-contid"] == b"-1" else (8, 11)


def _auxiliary(body: bytes) -> ContainerId | None:
    """Read a CONTAINER_ID: a list, at most one word or number in front of it, and nothing else."""
    match = _AUXILIARY.fullmatch(body)
    chains = parse_list(match[3]) if match else None
    if match is None or chains is None:
        return None
    record, ref, value = match.groups()
    if record is not None:
        return ContainerId(chains, int(record), None, (10, 11))
    if ref is not None:
        return ContainerId(chains, None, ref, (4, 4) if body[:3] == b"ref" else (2, 3))
    if b"^" in value:
        return ContainerId(chains, None, None, (9, 9) if b",^" in value else (7, 8))
    return ContainerId(chains, None, None, (5, 9))


def _capability(body: bytes) -> CapContid | None:
    fields = _fields(body)
    numbers = [_number(fields.get(name, b""), 2**32) for name in (b"opid", b"capcontid", b"old-capcontid")]
    opid, capcontid, old = numbers
    if opid is None or capcontid is None or old is None or not _is_raw(fields):
        return None
    return CapContid(opid, capcontid, old, _result(fields), _writer(fields))


def _fields(body: bytes) -> dict[bytes, bytes]:
    """All `name=value` words; of a repeated name the first, since only what follows can be anybody's text."""
    fields: dict[bytes, bytes] = {}
    for word in body.split(b" "):
        name, equals, value = word.partition(b"=")
        if equals:
            fields.setdefault(name, value)
    return fields


def _number(value: bytes, bound: int) -> int | None:
    """A decimal below `bound`. `-1` is (u32)-1: some records print `auid` and `ses` with a sign."""
    number = UNSET_ID if value == b"-1" else bound
    if len(value) <= 10 and value.isdigit():
        number = int(value)
    return number if number < bound else None


def _text(value: bytes) -> bytes | None:
    """Decode a name as the kernel writes it: quoted, else upper-case hex; `(null)` and `?` are b""."""
    if value[:1] == b'"':
        return value[1:-1] if len(value) > 1 and value[-1:] == b'"' else None
    if value in (b"", b"(null)", b"?"):
        return b""
    return unhexlify(value) if _HEX.fullmatch(value) else None


def _is_raw(fields: Mapping[bytes, bytes]) -> bool:
    """Whether all that a kernel writes as numbers, quoted or hex still is."""
    return (
        all(_number(fields.get(name, b"0"), 2**32) is not None for name in (b"pid", b"uid", b"auid", b"ses"))
        and all(_text(fields.get(name, b"")) is not None for name in (b"comm", b"exe"))
        and fields.get(b"res", b"1") in (b"0", b"1")
    )


def _result(fields: Mapping[bytes, bytes]) -> bool | None:
    return fields[b"res"] == b"1" if b"res" in fields else None


def _writer(fields: Mapping[bytes, bytes]) -> Actor | None:
    """The process that wrote to `/proc/PID/audit_containerid`, where the record names it (until V7)."""
    if b"pid" not in fields:
        return None
    pid, auid, uid, ses = (_number(fields.get(name, b""), 2**32) for name in (b"pid", b"auid", b"uid", b"ses"))
    return Actor(
        pid=NO_PID if pid is None else pid,
        auid=UNSET_ID if auid is None else auid,
        uid=UNSET_ID if uid is None else uid,
        ses=UNSET_ID if ses is None else ses,
        comm=_text(fields.get(b"comm", b"")) or b"",
        exe=_text(fields.get(b"exe", b"")) or b"",
        tty=fields.get(b"tty", b""),
    )


def is_lost(line: bytes) -> bool:
    """Whether an auditd without the patches lost a CONTAINER_OP here: it writes `type=UNKNOWN[1020] msg=lost`."""
    return b"msg=lost" in line and _LOST.fullmatch(line) is not None
