"""Records that are no system calls: their senders and facts, and which record of an event takes the annotation.

A user-space record's `pid=` before `msg='` is the kernel's word; all inside the quotes is the sender's.
"""

from __future__ import annotations

import re

from annotator.core.model import (
    CONTID_UNSET,
    NO_PID,
    Actor,
    Booted,
    CapabilityProven,
    ContId,
    Exited,
    Fact,
    Gap,
    LoggedIn,
    Named,
    Registered,
)
from annotator.linux.contid import link
from annotator.linux.records.kernel_fields import EOE, NETFILTER_PKT, NOT_SUBJECTS, names_process, subject
from annotator.linux.records.syntax import number, text, type_number


def carries(records: list[tuple[bytes, bytes]]) -> int:
    """The index of the record that takes the fields: SYSCALL, else the first that names a process or packet; or -1."""
    second = -1
    for index, (name, body) in enumerate(records):
        if name == b"SYSCALL":
            return index
        if second >= 0 or not name:
            continue
        kind = type_number(name)
        if link.read(name, body) is None and (kind == NETFILTER_PKT or names_process(kind, body)):
            second = index
    return second


_OLD_LOGIN = re.compile(rb" old-auid=(\d{1,10}) .*?old-ses=(\d{1,10}) .*?res=1(?: |$)")
_SILENCED = re.compile(rb"(?:^| )(?:audit_enabled=[012] |op=(?:remove|add)_rule ).*?res=1(?: |$)")


def said_by_kernel(records: list[tuple[bytes, bytes]], actor: Actor) -> tuple[Fact, ...]:
    """What records of the kernel beside, or without, a SYSCALL record say: a login, a crash, other rules.

    Their types cannot be sent by user space (kernel/audit.c, audit_receive_msg). Where auditing was off, or a rule was
    not loaded, nothing that its rules would have told is in the log, and no serial is missing.
    """
    facts: list[Fact] = []
    for name, body in records:
        if name == b"LOGIN":
            old = _OLD_LOGIN.search(body)
            who = subject(name, body)
            if old is not None and who.pid > 0:
                facts.append(LoggedIn(who.pid, int(old[1]), int(old[2]), who.auid, who.ses))
        elif name == b"ANOM_ABEND":
            if subject(name, body).pid == actor.pid:
                facts.append(Exited(actor.pid, crashed=True))
        elif name == b"CONFIG_CHANGE" and _SILENCED.search(body):
            facts.append(Gap(0))
    return tuple(facts)


def is_of_somebody(records: list[tuple[bytes, bytes]]) -> bool:
    """Whether somebody acted in an event without a record that says who: its SYSCALL record is lost.

    Paths, arguments and the end of an event come with a system call; contid records with what they speak for.
    """
    kinds = {type_number(name) for name, _ in records if name}
    if kinds == {EOE}:
        return True
    return not NOT_SUBJECTS.isdisjoint(kinds - {EOE}) or any(link.read(*record) is not None for record in records)


def of_nobody(records: list[tuple[bytes, bytes]]) -> tuple[Fact, ...]:
    """The facts of an event that names no process: the kernel has started, or other rules were loaded."""
    for name, body in records:
        if name == b"KERNEL" and b"state=initialized" in body:
            return (Booted(),)
    return said_by_kernel(records, Actor(NO_PID))


_TTY_SET = re.compile(
    rb" op=tty_set old-enabled=([01]) new-enabled=\1 old-log_passwd=([01]) new-log_passwd=(?!\2)[01] res=1(?:[ \x1d]|$)"
)


def vouched(records: list[tuple[bytes, bytes]], actor: Actor) -> tuple[Fact, ...]:
    """The kernel's record that a process set its own tty auditing as `netlink.user_messages.vouch` does.

    Only a registrar's rights allow it: AUDIT_TTY_SET needs CAP_AUDIT_CONTROL and the first user and pid namespaces
    (kernel/audit.c, audit_netlink_ok), and no user-space message can have the type CONFIG_CHANGE. Not every tty_set is
    one: where pam_tty_audit is in use each login leaves one, with a pid that a container's process may have next.
    """
    for name, body in records:
        if name == b"CONFIG_CHANGE" and _TTY_SET.search(body):
            return (CapabilityProven(actor.pid),) if subject(name, body).pid == actor.pid else ()
    return ()


def user_reading(name: bytes, body: bytes) -> tuple[Actor | None, tuple[Fact, ...]]:
    """The sender of a record that is no system call, and the facts in it."""
    if type_number(name) == NETFILTER_PKT:
        return None, ()
    actor = subject(name, body)
    if name == b"VIRT_CONTROL":
        return actor, virt_control(actor, body)
    if name == b"KERNEL" and b"state=initialized" in body:
        return actor, (Booted(),)
    return actor, said_by_kernel([(name, body)], actor)


_WORD = re.compile(rb"(?:^| |')([a-z][a-z0-9_-]*)=(\"[^\"]*\"|[^ ']*)")


def virt_control(actor: Actor, body: bytes) -> tuple[Fact, ...]:
    """VIRT_CONTROL of our own hook (`contid=`, `vm-pid=`), and of libvirt's LXC driver (`op=init`, `init-pid=`).

    Duplicate keys occur (the old docker fork writes `auid`, `exe` and `hostname` twice): the first, the sender's own,
    counts.
    Whether the sender may be believed is not decided here.
    """
    start = body.find(b"msg='")
    if start < 0:
        return ()
    values: dict[bytes, bytes] = {}
    for key, value in _WORD.findall(body, start + 4):
        values.setdefault(key, value)
    if values.get(b"res") != b"success":
        return ()
    name = _show(values.get(b"vm", b""))
    uuid = _show(values.get(b"uuid", b""))
    engine = _show(values.get(b"virt", b""))
    if values.get(b"op") == b"init" and engine == "lxc":
        pid = number(values.get(b"init-pid", b""), NO_PID)
        return (Registered(pid, actor.pid, CONTID_UNSET, ok=True, id=uuid, name=name, engine="libvirt-lxc"),)
    pid = number(values.get(b"vm-pid", b""), NO_PID)
    if b"contid" in values and values.get(b"op") == b"start" and pid > 0:
        contid = ContId(number(values[b"contid"], CONTID_UNSET))
        return (Registered(pid, actor.pid, contid, ok=True, id=uuid, name=name, engine=engine),)
    return (Named(uuid, name, engine=engine),) if uuid and name and engine == "lxc" else ()


def _show(value: bytes) -> str:
    return text(value)[:512].decode("utf-8", "backslashreplace")
