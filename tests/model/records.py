"""The text of records, as kernel 6.1 and auditd 3.0 write them on x86-64."""

from __future__ import annotations

import re
from functools import lru_cache

from tests.model.kernel import UNSET, Task
from tests.model.rules import CALLS

_PLAIN = re.compile(r"[!#-~]+")
_CAPS = "cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
USERS = {0: "root", 1000: "alice", 1001: "bob", 33: "www-data", 65534: "nobody", UNSET: "unset"}

Record = tuple[str, str]
"""Type, and everything behind the colon and the blank."""


@lru_cache(8192)
def untrusted(text: str) -> str:
    """In quotes, or in hex where a byte is no printable ASCII, a blank or a quote (audit_log_untrustedstring)."""
    return f'"{text}"' if _PLAIN.fullmatch(text) else text.encode().hex().upper()


@lru_cache(8192)
def title(argv: tuple[str, ...]) -> str:
    """The value of PROCTITLE: the arguments with NUL between them."""
    return untrusted("\0".join(argv))


def user(uid: int) -> str:
    """A user's name in the enriched part."""
    return USERS.get(uid) or f"unknown({uid})"


def identify(task: Task) -> None:
    """Make the parts of SYSCALL records anew that stay until the process changes."""
    d = task.display
    u = task.uid
    ids = f"uid={u} gid={u} euid={u} suid={u} fsuid={u} egid={u} sgid={u} fsgid={u}"
    d.ident = (
        f"auid={task.auid} {ids} tty={d.tty} ses={task.ses} comm={untrusted(d.comm)} exe={untrusted(d.exe)} "
        "subj=unconfined key="
    )


@lru_cache(256)
def names(auid: int, uid: int) -> str:
    """The enriched part of SYSCALL, but for the call."""
    each = ("UID", "GID", "EUID", "SUID", "FSUID", "EGID", "SGID", "FSGID")
    return f'AUID="{user(auid)}" ' + " ".join(f'{one}="{user(uid)}"' for one in each)


def syscall(
    task: Task, name: str, result: str, args: tuple[int, int, int, int], items: int, key: str, *, enriched: bool
) -> Record:
    """SYSCALL. `result` is ` success=yes exit=0`, or nothing of a call that does not return (exit_group)."""
    d = task.display
    if not d.ident:
        identify(task)
    a0, a1, a2, a3 = args
    body = (
        f"arch=c000003e syscall={CALLS[name]}{result} a0={a0:x} a1={a1:x} a2={a2:x} a3={a3:x} items={items} "
        f"ppid={task.ppid} pid={task.number.values[0]} {d.ident}{key}"
    )
    return "SYSCALL", f"{body}\x1dARCH=x86_64 SYSCALL={name} {names(task.auid, task.uid)}" if enriched else body


@lru_cache(1024)
def execve(argv: tuple[str, ...]) -> Record:
    """EXECVE: all arguments."""
    return "EXECVE", f"argc={len(argv)} " + " ".join(f"a{n}={untrusted(arg)}" for n, arg in enumerate(argv))


@lru_cache(2048)
def path(item: int, name: str, device: str, kind: str = "NORMAL", *, enriched: bool = False) -> Record:
    """PATH of one name; kind UNKNOWN is a name that was not found, and has no inode."""
    if kind == "UNKNOWN":
        return "PATH", f"item={item} name={untrusted(name)} nametype=UNKNOWN {_CAPS}"
    inode = 1000 + sum(name.encode()) % 90000
    body = (
        f"item={item} name={untrusted(name)} inode={inode} dev={device} mode=0100755 ouid=0 ogid=0 rdev=00:00 "
        f"nametype={kind} {_CAPS}"
    )
    return "PATH", body + ('\x1dOUID="root" OGID="root"' if enriched else "")


def signed(number: int) -> int:
    """The kernel prints unset ids of a target as -1."""
    return -1 if number == UNSET else number


def target(task: Task, *, enriched: bool) -> Record:
    """OBJ_PID: whom a signal was considered for."""
    body = (
        f"opid={task.pid} oauid={signed(task.auid)} ouid={task.uid} oses={signed(task.ses)} obj=unconfined "
        f"ocomm={untrusted(task.display.comm)}"
    )
    return "OBJ_PID", body + (f'\x1dOAUID="{user(task.auid)}" OUID="{user(task.uid)}"' if enriched else "")


def login(task: Task, auid: int, ses: int, *, enriched: bool) -> Record:
    """LOGIN, before the change (audit_log_set_loginuid)."""
    body = (
        f"pid={task.pid} uid={task.uid} subj=unconfined old-auid={task.auid} auid={auid} tty={task.display.tty} "
        f"old-ses={task.ses} ses={ses} res=1"
    )
    names = f'\x1dUID="{user(task.uid)}" OLD-AUID="{user(task.auid)}" AUID="{user(auid)}"'
    return "LOGIN", body + (names if enriched else "")


def said(task: Task, kind: str, text: str, *, enriched: bool) -> Record:
    """A record of user space: the kernel's words on its sender, then the sender's own."""
    body = f"pid={task.pid} uid={task.uid} auid={task.auid} ses={task.ses} subj=unconfined msg='{text}'"
    return kind, body + (f'\x1dUID="{user(task.uid)}" AUID="{user(task.auid)}"' if enriched else "")


def dumped(task: Task, signal: int, *, enriched: bool) -> Record:
    """ANOM_ABEND: it ended by a signal that dumps core."""
    d = task.display
    body = (
        f"auid={task.auid} uid={task.uid} gid={task.uid} ses={task.ses} subj=unconfined pid={task.pid} "
        f"comm={untrusted(d.comm)} exe={untrusted(d.exe)} sig={signal} res=1"
    )
    names = f'\x1dAUID="{user(task.auid)}" UID="{user(task.uid)}" GID="{user(task.uid)}"'
    return "ANOM_ABEND", body + (names if enriched else "")


def configured(task: Task, change: str, *, enriched: bool) -> Record:
    """CONFIG_CHANGE of a setting (`op=set …`) or of a rule (`op=add_rule …`), whose fields stand in another order."""
    who = f"auid={task.auid} ses={task.ses} subj=unconfined"
    body = f"{change} {who} res=1" if change.startswith("op=set") else f"{who} {change} res=1"
    return "CONFIG_CHANGE", body + (f'\x1dAUID="{user(task.auid)}"' if enriched else "")


def daemon(kind: str, pid: int, *, enriched: bool) -> Record:
    """DAEMON_START and DAEMON_END, which auditd writes itself, with serials of its own."""
    if kind == "DAEMON_START":
        form = "enriched" if enriched else "raw"
        body = (
            f"op=start ver=3.0.9 format={form} kernel=6.1.0-56-cloud-amd64 auid={UNSET} pid={pid} uid=0 ses={UNSET} "
            "subj=unconfined  res=success"
        )
        return kind, body + ('\x1dAUID="unset" UID="root"' if enriched else "")
    body = f"op=terminate auid=0 uid=0 ses={UNSET} pid=1 subj=unconfined res=success"
    return kind, body + ('\x1dAUID="root" UID="root"' if enriched else "")


def initialized() -> Record:
    """The first record of a boot, which the kernel writes before any process runs."""
    return "KERNEL", "state=initialized audit_enabled=0 res=1"
