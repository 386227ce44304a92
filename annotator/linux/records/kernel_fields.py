"""The kernel's own fields of a record, by where that type of record has them: never the first or last match alone.

Some texts in a record are chosen by users and stand there without any encoding: the message of a user-space record, the
name of a netfilter table, and a security label, since whoever may load AppArmor profiles (in its own policy namespace
too) names them. What such a text holds may look like fields. So only the part of a record is searched into which no
such text reaches; all other texts (comm, exe, paths, keys, names) are quoted or hex and can hold no blank.

| records | where the kernel's numbers are | source |
|---|---|---|
| user-space messages | at the beginning, before `subj=` and `msg='` | kernel/audit.c, audit_log_common_recv_msg |
| LOGIN | pid and uid at the beginning, the rest at the end | kernel/auditsc.c, audit_log_set_loginuid |
| ANOM_ABEND, SECCOMP | ids at the beginning, the pid behind the label | kernel/auditsc.c, audit_log_task |
| NETFILTER_CFG | behind the table's name, before the label | kernel/auditsc.c, __audit_log_nfcfg |
| all others | before the label (`subj=`, `scontext=`, `obj=`) | audit_log_task_info, dump_common_audit_data |
"""

from __future__ import annotations

import re

from annotator.core.model import NO_PID, UNSET_ID, Actor
from annotator.linux.records.syntax import field, number, text, type_number

_LABEL = re.compile(rb"(?:^| )(?:subj|obj|scontext|tcontext)(?:_[a-z]+)?=| msg='")
"""Where the part ends into which no user's text reaches."""

_LOGIN_END = re.compile(
    rb"(?:^| )old(?:-| )auid=-?\d+ (?:new )?auid=(-?\d+)(?: tty=\S+)?"
    rb" old(?:-| )ses=-?\d+ (?:new )?ses=(-?\d+)(?: res=[01])?$"
)
_TASK_END = re.compile(rb".*(?:^| )(pid=\d+ comm=.*)", re.DOTALL)
_PIDS = re.compile(rb"(?:^| )pid=(\d{1,10})(?= |$)")

LOGIN, EOE, NETFILTER_PKT, NETFILTER_CFG, SECCOMP, ANOM_ABEND = 1006, 1320, 1324, 1325, 1326, 1701

_FROM_THE_END = frozenset((LOGIN, NETFILTER_CFG, SECCOMP, ANOM_ABEND))

NOT_SUBJECTS = frozenset((
    1302, 1303, 1304, 1306, 1307, 1309, 1310, 1311, 1312, 1313, 1314, 1315, 1317, 1318, 1320, 1321, 1322, 1323, 1327,
    1331, 1337,
))  # fmt: skip
"""Records that describe a part of a system call's event (PATH, CWD, EXECVE, OBJ_PID, PROCTITLE, EOE …)."""

NAMES_OTHERS = frozenset((1423, 1424, 1425, 1426))
"""LANDLOCK_ACCESS, LANDLOCK_DOMAIN (its `pid=` is of who made the domain), MAC_TASK_CONTEXTS, MAC_OBJ_CONTEXTS."""


def own_part(kind: int, body: bytes) -> bytes:
    """The part of a body (without `msg='…'`) in which only the kernel writes; `kind` is the number of its type."""
    if kind in _FROM_THE_END and b" msg=audit(" in body:
        return b""  # torn, or a user's text: what follows may be another record's
    if kind == NETFILTER_CFG:
        return _of_table(body)
    match = _LABEL.search(body)
    head = body[: match.start()] if match else body
    if kind in (SECCOMP, ANOM_ABEND):
        tail = _TASK_END.match(body)  # the last: behind it the kernel writes no free text
        return head.partition(b" pid=")[0] + b" " + tail[1] if tail else head
    if kind == LOGIN:
        changed = _LOGIN_END.search(body)
        begin = head.partition(b" old")[0]
        return begin + b" auid=%b ses=%b" % changed.groups() if changed else begin
    return head


def _of_table(body: bytes) -> bytes:
    """`table=NAME family=N entries=N op=OP pid=N subj=LABEL comm="…"`: name and label are free text.

    Where they hold another `pid=` it cannot be told which of them is the kernel's.
    """
    pids = set(_PIDS.findall(body))
    return b"pid=" + pids.pop() if len(pids) == 1 else b""


_ENCODED = rb"=(?:\"[^\"]*\"|[0-9A-F]+|\(null\)|\?)(?: record=\d{1,9})?"
_CLOSING = {
    b"SYSCALL": rb" key" + _ENCODED,
    b"URINGOP": rb" key" + _ENCODED,
    b"OBJ_PID": rb" ocomm" + _ENCODED,
    b"NETFILTER_CFG": rb" comm" + _ENCODED,
    b"ANOM_ABEND": rb" sig=\d+(?: res=[01])?",
    b"SECCOMP": rb" code=0x[0-9a-f]+",
    b"": rb" (?:res=[a-z0-9]+(?: errno=-?\d+)?|comm" + _ENCODED + rb")",
}
"""With what the kernel (or auditd) ends records that have a label, or other free text, further in front."""

_ENDS = {name: re.compile(pattern + rb"(?= cont| [A-Z][A-Z0-9_]*=|\r?\Z)") for name, pattern in _CLOSING.items()}
_COPIES = re.compile(rb"(?: [A-Z][A-Z0-9_]*=(?:\"[^\"]*\"|[^ \"{]+))+(?= cont|\r?\Z)")
_FREE = re.compile(rb"(?:^| )(?:subj|obj|table)(?:_[a-z]+)?=")
_SENDER = re.compile(rb"(?:user |tty )?pid=\d+ uid=\d+ auid=\d+(?: ses=\d+)?(?= )")

BEHIND_SENDER = frozenset((b"USER_AVC", b"USER_SELINUX_ERR", b"USER_TTY"))
"""Stock reports take all that follows the `terminal=` or `data=` at the end of these: fields stand behind the sender's
numbers, before its label."""


def fields_at(name: bytes, body: bytes) -> int:
    """Where in a body our fields go: at its end, or where a report takes all that follows its last field."""
    if name in BEHIND_SENDER:
        sender = _SENDER.match(body)
        return sender.end() if sender else len(body)
    data = body.find(b" data=") if name == b"TTY" else -1
    return data if data >= 0 else len(body)


def appended_at(name: bytes, body: bytes) -> int:
    """Where in a body fields begin that this program appended, if it did: behind the kernel's last field; -1: nowhere.

    That is behind the closing quote of a user-space message, whatever is in it; where a label or another free text
    stands in a record, behind the field with which the kernel ends it.
    """
    if name in BEHIND_SENDER:
        sender = _SENDER.match(body)
        return sender.end() if sender else -1
    kind = type_number(name)
    is_message = kind in (-1, 1005) or 1100 <= kind < 1200 or kind >= 2100
    quote = body.find(b" msg='") if is_message else -1
    if quote >= 0:
        closed = body.rfind(b"'")
        return _behind_copies(body, closed + 1) if closed > quote + 5 else -1
    if name in _ENDS or _FREE.search(body):
        ends = [match.end() for match in _ENDS.get(name, _ENDS[b""]).finditer(body)]
        if ends:
            return _behind_copies(body, ends[-1])
        return -1 if _FREE.search(body) else body.find(b" cont")  # torn before its last field
    return body.find(b" cont")


def _behind_copies(body: bytes, at: int) -> int:
    """Behind auditd's copies that a relay parted from the body by a blank: our fields went to the end of the line."""
    copies = _COPIES.match(body, at)
    return copies.end() if copies else at


def names_process(kind: int, body: bytes) -> bool:
    """Whether a record is about a process of its own, so that it may take the fields of an event without SYSCALL."""
    if kind in NOT_SUBJECTS or kind in NAMES_OTHERS:
        return False
    return _PID.search(body if kind in _FROM_THE_END else own_part(kind, body)) is not None


_PID = re.compile(rb"(?:^| )(?:pid|opid)=\d")


def subject(name: bytes, body: bytes) -> Actor:
    """Who a record that is no system call is about; NO_PID where it names nobody, or does not tell whom."""
    kind = type_number(name)
    part = own_part(kind, body)
    return Actor(
        number(field(part, b"pid"), NO_PID),
        number(field(part, b"ppid"), NO_PID),
        number(field(part, b"auid"), UNSET_ID),
        number(field(part, b"uid"), UNSET_ID),
        number(field(part, b"ses"), UNSET_ID),
        text(field(part, b"comm")),
        text(field(part, b"exe")),
        field(part, b"tty"),
    )
