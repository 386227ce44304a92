"""Decodes the value of one field: numbers and hex become the text that the audit library shows.

Values come in as text (a line as UTF-8, other bytes as backslash escapes) and leave as text. What cannot be decoded is
left as written; nothing raises. Kernel encoding of untrusted text: `"…"` when every byte is 0x21-0x7e and not a quote,
else hex (kernel/audit.c, audit_log_untrustedstring).
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from annotator.linux.records.tables import ARCHES, ERRORS, FAMILIES, SYSCALLS

if TYPE_CHECKING:
    from collections.abc import Callable

UNSET = "4294967295"
"""(u32)-1 as audit prints it: the id is not set. `-1` is the same, printed by another kernel."""

_HEX = frozenset("0123456789abcdefABCDEF")

_KINDS = {0o14: "socket", 0o12: "link", 0o10: "file", 0o6: "block", 0o4: "dir", 0o2: "character", 0o1: "fifo"}
"""File type bits of st_mode (inode(7)), shifted by twelve."""


def shown(data: bytes) -> str:
    """Bytes as text; what is not UTF-8 as backslash, x, two digits."""
    return data.decode("utf-8", "backslashreplace")


def unhex(value: str) -> bytes | None:
    """The bytes of an even number of hex digits, else None."""
    if len(value) % 2 or not value or not _HEX.issuperset(value):
        return None
    return bytes.fromhex(value)


def untrusted(value: str) -> str:
    """A field the kernel encodes. A word that is neither quoted nor all hex is as written (`?`, `(null)`)."""
    if value[:1] == '"':
        stop = value.rfind('"')
        return value[1:stop] if stop > 0 else value[1:]
    data = unhex(value)
    if data is None:
        return value
    if data[:1] == b"\0":  # the name of an abstract socket
        data = data[1:]
    return shown(data)


def account(value: str) -> str:
    """`acct=`: user space writes it in hex too, but then never less than two digits or in lower case."""
    return value if value.isdecimal() else untrusted(value)


def key(value: str) -> str | list[str]:
    """The key of a rule; a list when the rule has several (joined by 0x01, therefore in hex)."""
    text = untrusted(value)
    return text.split("\x01") if "\x01" in text else text


def title(value: str) -> str:
    """proctitle=: the command line, its NULs as blanks. The kernel keeps at most 128 bytes of it."""
    data = unhex(value)
    if data is None:
        return untrusted(value)
    return shown(data.rstrip(b"\0").replace(b"\0", b" "))


def keystrokes(value: str) -> str:
    """data= of TTY records: what was typed, control characters included."""
    data = unhex(value)
    return untrusted(value) if data is None else shown(data)


def unset(value: str) -> str:
    """An id, or `unset`."""
    return "unset" if value in (UNSET, "-1") else value


def arch(value: str) -> str:
    """The machine of a system call."""
    return ARCHES.get(value, value)


def call(machine: str, number: str) -> str:
    """The name of a system call; a number the tables do not know stays a number."""
    names = SYSCALLS.get(machine)
    return names.get(number, number) if names else number


def result(value: str) -> str:
    """exit=: what the call returned, an error with its name and text."""
    return ERRORS.get(value, value)


def verdict(value: str) -> str:
    """res=: kernel records write 1 and 0."""
    return {"1": "yes", "0": "no"}.get(value, value)


@lru_cache(maxsize=1024)
def mode(value: str) -> str:
    """mode= of a PATH: type, set-id and sticky bits, permissions: `file,suid,755`."""
    if not value or len(value) > 8 or not set("01234567").issuperset(value):
        return value
    bits = int(value, 8)
    words = [_KINDS.get(bits >> 12, f"{bits & 0o170000:03o}")]
    words += [word for bit, word in ((0o4000, "suid"), (0o2000, "sgid"), (0o1000, "sticky")) if bits & bit]
    return ",".join([*words, f"{bits & 0o777:03o}"])


def address(value: str) -> str:
    """saddr=: a struct sockaddr in hex, its family in the byte order of the machine, as the audit library shows it."""
    data = unhex(value)
    if data is None or len(data) < 2:
        return value
    family = int.from_bytes(data[:2], "little")
    if family > 255 and data[0] == 0:  # written by a big-endian machine
        family = data[1]
    word = FAMILIES.get(family)
    if word is None:
        return f"unknown-family({family})"
    show = _ADDRESSES.get(word)
    return f"{{ saddr_fam={word} {show(data) if show else '(unsupported)'} }}"


def _inet(data: bytes) -> str:
    if len(data) < 16:
        return "sockaddr len too short"
    return f"laddr={socket.inet_ntop(socket.AF_INET, data[4:8])} lport={int.from_bytes(data[2:4], 'big')}"


def _inet6(data: bytes) -> str:
    if len(data) < 28:
        return "sockaddr6 len too short"
    return f"laddr={socket.inet_ntop(socket.AF_INET6, data[8:24])} lport={int.from_bytes(data[2:4], 'big')}"


def _local(data: bytes) -> str:
    if len(data) < 4:
        return "sockaddr len too short"
    name = data[2:]
    name = name[1:] if name[:1] == b"\0" else name  # an abstract name
    return f"path={shown(name.partition(bytes(1))[0])}"


def _netlink(data: bytes) -> str:
    if len(data) < 12:
        return "len too short"
    order = "little" if data[0] else "big"
    return (
        f"nlnk-fam={data[0] or data[1]} nlnk-pid={int.from_bytes(data[4:8], 'little' if order == 'little' else 'big')}"
    )


_ADDRESSES: dict[str, Callable[[bytes], str]] = {
    "inet": _inet,
    "inet6": _inet6,
    "local": _local,
    "netlink": _netlink,
}

_ENCODED = (
    "path comm exe file name watch cwd cmd dir vm old-chardev new-chardev old-disk new-disk old-fs new-fs old-net"
    " new-net device cgroup apparmor operation denied_mask info profile requested_mask old-rng new-rng ocomm grp"
    " new_group invalid_context sw root_dir container_id container_name container_image container_engine cont_session"
    " cont_how cont_flags label error class"
)
"""Names whose values are encoded: audit's field dictionary, AppArmor's (security/apparmor/audit.c), and our own."""

_IDS = (
    "auid uid euid suid fsuid ouid oauid old-auid iuid id inode_uid sauid obj_uid ses old-ses oses gid egid sgid fsgid"
)

DECODERS: dict[str, Callable[[str], str | list[str]]] = {
    **dict.fromkeys(_ENCODED.split(), untrusted),
    **dict.fromkeys(_IDS.split(), unset),
    "acct": account,
    "arch": arch,
    "data": keystrokes,
    "exit": result,
    "key": key,
    "mode": mode,
    "proctitle": title,
    "res": verdict,
    "result": verdict,
    "saddr": address,
}
"""Field name to what decodes its value; other values are as written. EXECVE's `aN` and `syscall=` need more to know."""
