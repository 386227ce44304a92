"""Linux events to subjects and facts.

Which argument holds clone's flags, and what a number means, depends on `arch=`; both are resolved once, in `_CALLS`.
Nothing is opened here, and no record is believed about another process than its own.
"""

from __future__ import annotations

import re

from annotator.core.model import (
    NO_PID,
    Actor,
    Adopts,
    ContId,
    Event,
    Executed,
    Exited,
    Fact,
    Forked,
    Moved,
    Ns,
    Reason,
    RootChanged,
    Stated,
    Translation,
)
from annotator.linux.contid import link
from annotator.linux.engines import commands
from annotator.linux.engines.programs import DEFAULT, Engines, becomes_subreaper, is_sealed_copy
from annotator.linux.records.kernel_fields import subject
from annotator.linux.records.labels import device, marks
from annotator.linux.records.signals import SIGNALS, killed
from annotator.linux.records.syntax import (
    alone,
    argument,
    arguments,
    body_end,
    field,
    head,
    hexadecimal,
    is_call_whole,
    number,
    split,
    text,
)
from annotator.linux.records.tables import ARCHES, SYSCALLS
from annotator.linux.records.translate_contid import operations
from annotator.linux.records.translate_user import (
    carries,
    is_of_somebody,
    of_nobody,
    said_by_kernel,
    user_reading,
    vouched,
)

CLONE_THREAD = 0x10000
CLONE_PARENT = 0x8000
_NS = int(Ns.MNT | Ns.CGROUP | Ns.UTS | Ns.IPC | Ns.USER | Ns.PID | Ns.NET)

_FLAGS_SECOND = frozenset(("s390", "s390x"))
"""Machines whose clone(2) takes the flags as its second argument."""

_KINDS = {
    "fork": "fork", "vfork": "fork", "clone": "clone", "clone3": "clone3", "execve": "exec", "execveat": "exec",
    "exit_group": "exit", "unshare": "unshare", "setns": "setns", "pivot_root": "pivot", "mount": "mount",
    "kill": "kill", "tkill": "tkill", "tgkill": "tgkill", "rt_sigqueueinfo": "kill", "rt_tgsigqueueinfo": "tgkill",
    "pidfd_send_signal": "pidfd_kill", "prctl": "prctl", "ptrace": "target", "process_vm_readv": "target",
    "process_vm_writev": "target",
    "pidfd_getfd": "target", "process_madvise": "target",
}  # fmt: skip

_SET_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER, of prctl(2)."""

_SOCKETS = frozenset((
    "socket", "bind", "connect", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
    "recvmmsg", "getsockname", "getpeername", "setsockopt", "shutdown", "socketcall",
))  # fmt: skip
"""Calls that change nothing, but of which it is asked in which network namespace they were made."""

_CALLS = {
    f"arch={arch} syscall={number}".encode(): "clone2"
    if name == "clone" and machine in _FLAGS_SECOND
    else _KINDS.get(name, "socket")
    for arch, machine in ARCHES.items()
    for number, name in SYSCALLS.get(machine, {}).items()
    if name in _KINDS or name in _SOCKETS
}

_ACTOR = re.compile(
    rb" ppid=(\d{1,10}) pid=(\d{1,10}) auid=(\d{1,10}) uid=(\d{1,10}) .*?tty=(\S+) ses=(\d{1,10}) "
    rb"comm=(\S+) exe=(\S+)"
)


def call_of(call: bytes) -> tuple[str, bool]:
    """The kind of a call ("": changes nothing) and whether it succeeded, by a record up to its `exit=` or `a0=`."""
    words = call.split(b" ", 2)
    kind = _CALLS.get(b" ".join(words[:2]), "")
    succeeded = kind == "exit" or (len(words) > 2 and words[2][:12] == b"success=yes ")
    return "target" if kind in SIGNALS and not succeeded else kind, succeeded


def actor_of(part: bytes) -> Actor | None:
    """Who a SYSCALL record says it was, by the part from `ppid=` on; None for another shape."""
    match = _ACTOR.match(part)
    if match is None:
        return None
    ppid, pid, auid, uid, tty, ses, comm, exe = match.groups()
    tty = b"" if tty == b"(none)" else tty
    return Actor(int(pid), int(ppid), int(auid), int(uid), int(ses), text(comm), text(exe), tty)


_NOTHING: tuple[Fact, ...] = ()


def changed(kind: str, line: bytes, actor: Actor, *, engine: bool) -> tuple[Fact, ...]:
    """What a successful system call changed, as its SYSCALL record tells. `engine`: an engine's program called."""
    if kind == "exit":
        return (Exited(actor.pid, argument(line, b" a0=") == b"0"),)
    if kind in ("fork", "clone", "clone2", "clone3"):
        return _forked(kind, line, actor, engine=engine)
    if kind in ("pivot", "mount"):
        return (RootChanged(actor.pid, kind == "pivot", engine),)
    if kind == "prctl":
        if hexadecimal(argument(line, b" a0=")) != _SET_SUBREAPER:
            return _NOTHING
        return (Adopts(actor.pid, on=hexadecimal(argument(line, b" a1=")) != 0),)
    if kind == "socket" or kind in SIGNALS:
        return _NOTHING
    flags = hexadecimal(argument(line, b" a1=" if kind == "setns" else b" a0="))
    if kind == "setns" and flags == 0:
        return (Moved(actor.pid, Ns.NONE, joined=True, engine=engine),)  # a kind the record hides
    ns = _ns(flags)
    return (Moved(actor.pid, ns, joined=kind == "setns", engine=engine),) if ns else _NOTHING


def _ns(flags: int) -> Ns:
    bits = flags & _NS
    known = _BITS.get(bits)
    if known is None:
        known = _BITS[bits] = Ns(bits)
    return known


_BITS = {0: Ns.NONE}


def _forked(kind: str, line: bytes, actor: Actor, *, engine: bool) -> tuple[Fact, ...]:
    child = number(argument(line, b" exit="), NO_PID)
    if child <= 0:
        return _NOTHING
    if kind == "fork":
        return (Forked(actor.pid, child, engine=engine),)
    if kind == "clone3":
        return (Forked(actor.pid, child, ns=None, engine=engine),)
    flags = hexadecimal(argument(line, b" a1=" if kind == "clone2" else b" a0="))
    return cloned(actor.pid, child, flags, engine=engine)


def cloned(parent: int, child: int, flags: int, *, engine: bool = False) -> tuple[Fact, ...]:
    """What a clone with these flags has made: a thread is no process."""
    if flags & CLONE_THREAD or child <= 0:
        return _NOTHING
    return (Forked(parent, child, bool(flags & CLONE_PARENT), _ns(flags), engine=engine),)


def executed(actor: Actor, part: bytes, dev: bytes, *, engine: bool) -> Executed:
    """An exec, by the SYSCALL record's part with the labels and the device that the program lies on."""
    return Executed(actor.pid, actor.exe, marks=marks(part, dev), engine=engine, adopts=becomes_subreaper(actor.exe))


def commanded(bodies: list[bytes], actor: Actor, done: Executed, engines: Engines = DEFAULT) -> tuple[Fact, ...]:
    """An exec; and if it is an engine's, what its command line says, by the bodies of the EXECVE records."""
    if not engines.reads(actor.exe):
        if not any(commands.BUNDLE in body for body in bodies):
            return (done,)
        unknown = commands.suspected(actor.pid, actor.uid, actor.exe, arguments(bodies))
        return (done, unknown) if unknown is not None else (done,)
    words = arguments(bodies)
    if done.engine and not is_sealed_copy(actor.exe):
        done = done._replace(line=commands.line_of(words))
    command = commands.read(actor.pid, actor.uid, actor.exe, words, engines)
    return (done, command) if command is not None else (done,)


def full_reading(event: Event, engines: Engines = DEFAULT) -> Translation:
    """Any event: every record is looked at."""
    records = [split(line) for line in event.lines]
    names = [name for name, _ in records]
    event.at = carries(records)
    if event.at < 0:
        changes = operations(records, None, b"") or of_nobody(records)
        lost = is_of_somebody(records)
        return Translation(None, changes, unknown=Reason.GAP if lost else None, gap=lost)
    name, body = records[event.at]
    actor: Actor | None
    if name == b"SYSCALL":
        line = alone(event.lines[event.at])
        start = line.find(b" ppid=")
        stop = line.find(b" key=", start)
        part = line[start : stop if stop > 0 else body_end(line, 0)]
        actor = actor_of(part) or subject(name, body)
        start = head(line)[1]
        kind, succeeded = call_of(line[start : line.find(b" a0=", start)])
        ordered = records[::-1] if event.reversed else records
        facts = _facts(kind if succeeded else "", line, part, ordered, actor, engines)
        facts += said_by_kernel(records, actor)
    else:
        kind = ""
        actor, facts = user_reading(name, body)
    if actor is not None and actor.pid < 0:
        actor = None
    if actor is not None and b"CONFIG_CHANGE" in names:
        facts += vouched(records, actor)
    facts += operations(records, actor, body if name == b"SYSCALL" else b"")
    links = link.link(records, reversed_order=event.reversed)
    network = b"SOCKADDR" in names or kind == "socket"
    reading = _reading(actor, facts, records, names, links, network=network, at=event.at)
    if name == b"SYSCALL":
        line = event.lines[event.at]
        if not is_call_whole(line, line.rfind(b" key="), len(line)):
            reading = reading._replace(torn=True)
    if actor is None and reading.packet is None:  # torn, or a text stands where the pid should
        return reading._replace(unknown=Reason.GAP if name == b"SYSCALL" else Reason.AMBIGUOUS)
    return reading


def _facts(
    kind: str, line: bytes, part: bytes, records: list[tuple[bytes, bytes]], actor: Actor, engines: Engines
) -> tuple[Fact, ...]:
    """What a successful system call changed, by all records of its event. `kind` is "" for one that did nothing."""
    if kind in ("", "target"):
        return _NOTHING
    if kind in SIGNALS:
        targets = [number(field(body, b"opid"), NO_PID) for name, body in records if name == b"OBJ_PID"]
        return killed(kind, line, targets[0]) if len(targets) == 1 and targets[0] > 1 else _NOTHING
    engine = engines.carries(actor.exe, actor.uid)
    if kind != "exec":
        return changed(kind, line, actor, engine=engine)
    dev = next((device(body) for name, body in records if name == b"PATH" and body[:7] == b"item=0 "), b"")
    bodies = [body for name, body in records if name == b"EXECVE"]
    return commanded(bodies, actor, executed(actor, part, dev, engine=engine), engines)


def _reading(
    actor: Actor | None,
    facts: tuple[Fact, ...],
    records: list[tuple[bytes, bytes]],
    names: list[bytes],
    links: link.Links,
    *,
    network: bool,
    at: int = -1,
) -> Translation:
    targets: list[int] = []
    stated: list[Stated] = []
    if actor is not None and (isinstance(links.actor, tuple) or links.actor is link.LOST):
        is_linked = link.is_numbered(records[at][1]) if at >= 0 else False
        stated.append(Stated(NO_PID, _ids(links.actor), is_linked))
    for index, said in links.targets.items():
        pid = number(field(records[index][1], b"opid"), NO_PID)
        if pid > 0 and len(targets) < 64:
            targets.append(pid)
            if isinstance(said, tuple) or said is link.LOST:
                stated.append(Stated(pid, _ids(said)))
    packet = None
    for index, name in enumerate(names):
        if name in (b"NETFILTER_PKT", b"UNKNOWN[1324]"):
            body = records[index][1]
            packet = (
                field(body, b"saddr").decode("ascii", "replace"),
                field(body, b"daddr").decode("ascii", "replace"),
            )
            if isinstance(links.packet, tuple):
                stated.append(Stated(NO_PID, _ids(links.packet)))
            break
    return Translation(actor, facts, tuple(targets), tuple(stated), packet, network=network)


def _ids(chains: link.LinkedChains) -> tuple[tuple[ContId, ...], ...] | None:
    return chains if isinstance(chains, tuple) else None
