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

NOT_SUBJECTS = frozenset((
    1302, 1303, 1304, 1306, 1307, 1309, 1310, 1311, 1312, 1313, 1314, 1315, 1317, 1318, 1320, 1321, 1322, 1323, 1327,
    1331, 1337,
))  # fmt: skip
"""Records that describe a part of a system call's event (PATH, CWD, EXECVE, OBJ_PID, PROCTITLE, EOE …)."""

NAMES_OTHERS = frozenset((1423, 1424, 1425, 1426))
"""LANDLOCK_ACCESS, LANDLOCK_DOMAIN (its `pid=` is of who made the domain), MAC_TASK_CONTEXTS, MAC_OBJ_CONTEXTS."""


def own_part(kind: int, body: bytes) -> bytes:
    """The part of a body (without `msg='…'`) in which only the kernel writes; `kind` is the number of its type."""
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


def names_process(kind: int, body: bytes) -> bool:
    """Whether a record is about a process of its own, so that it may take the fields of an event without SYSCALL."""
    if kind in NOT_SUBJECTS or kind in NAMES_OTHERS:
        return False
    return _PID.search(body if kind == NETFILTER_CFG else own_part(kind, body)) is not None


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
