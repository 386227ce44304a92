"""The one door to the `audit` binding: a registration as an audit user message, in libvirt's convention.

    type=VIRT_CONTROL … pid=4711 uid=0 … msg='virt=podman op=start reason=booted vm="web" uuid=ID vm-pid=4712 contid=7
        exe="…" hostname=? addr=? terminal=? res=success'

A container may be allowed to send such a message, and all inside the quotes is what it likes. So the sender does, just
before, what no container is: it sets its own tty auditing. The kernel wants CAP_AUDIT_CONTROL and the first user and
pid namespaces for this, and writes a CONFIG_CHANGE with the sender's pid, a type that no user message can have. With
that the log alone says who may be believed. What is set is `log_passwd`, turned round, with `enabled` as it is: the
sender reads no terminal, so nothing comes of it, and no other program does that. pam_tty_audit sets `enabled`, for
processes whose pids anybody may have soon.

Sources: kernel/audit.c (audit_netlink_ok, audit_receive_msg), uapi/linux/audit.h, libvirt's audit log page.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from annotator.core.model import ContId

AUDIT_TTY_GET, AUDIT_TTY_SET = 1016, 1017
MAX_VALUE = 256
"""Bytes of one value in a message."""

_NETLINK_AUDIT, _REQUEST_ACK, _NLMSG_ERROR = 9, 1 | 4, 2
_BARE = re.compile(rb"(?=.*[a-z.:_+-])[A-Za-z0-9.:_+-]+")
"""What may stand without quotes: nothing a reader could take for hex digits."""


class RegistrationMessage(NamedTuple):
    """A registration of a container. `refused` is the errno name where it was not granted."""

    pid: int
    contid: ContId | None
    id: str
    name: str = ""
    engine: str = ""
    op: str = "start"
    refused: str = ""


def message(registration: RegistrationMessage) -> str:
    """The text, without what the audit library adds (exe, hostname, addr, terminal, res)."""
    number = f" contid={registration.contid}" if registration.contid is not None else ""
    reason = _word(registration.refused or "booted")
    return (
        f"virt={_word(registration.engine)} op={_word(registration.op)} reason={reason} "
        f"vm={_encoded(registration.name)} uuid={_id(registration.id)} vm-pid={registration.pid}{number}"
    )


def _word(value: str) -> str:
    """A word of ours or of an option, without the characters that do not belong there; `?` for none."""
    return re.sub(r"[^A-Za-z0-9_.-]", "", value)[:64] or "?"


def _id(value: str) -> str:
    data = _bytes(value)
    return data.decode() if _BARE.fullmatch(data) else _encoded(value)


def _encoded(value: str) -> str:
    """Text in audit's encoding of untrusted strings: in quotes, or in upper-case hex; `?` for nothing."""
    data = _bytes(value)
    if not data:
        return "?"
    if all(0x21 <= byte <= 0x7E and byte not in b"\"'" for byte in data):
        return f'"{data.decode()}"'
    return data.hex().upper()


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "backslashreplace")[:MAX_VALUE]


def send(registration: RegistrationMessage) -> str:
    """Vouch, then say it; a refusal needs nobody's belief. Returns "" or what went wrong, in words."""
    try:
        import audit
    except ImportError:
        return "the audit binding (python3-audit) is not installed"
    failed = "" if registration.refused else vouch()
    try:
        fd = audit.audit_open()
        if fd < 0:
            return failed or "no audit socket"
        granted = 0 if registration.refused else 1
        sent = audit.audit_log_user_message(
            fd, audit.AUDIT_VIRT_CONTROL, message(registration), None, None, None, granted
        )
        audit.audit_close(fd)
    except OSError as err:
        return failed or err.strerror or str(err)
    return failed or ("" if sent > 0 else "the kernel did not take the message")


def vouch() -> str:
    """Have the kernel write that this process may register. Returns "" or what went wrong."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT) as sock:
            sock.settimeout(1)
            status = _exchange(sock, AUDIT_TTY_GET, b"", 1)
            enabled, passwords = struct.unpack("=II", status[:8].ljust(8, b"\0"))
            _exchange(sock, AUDIT_TTY_SET, struct.pack("=II", enabled, 1 - min(passwords, 1)), 2)
    except OSError as err:
        return f"the kernel does not vouch for this process: {err.strerror or err}"
    return ""


def _exchange(sock: socket.socket, kind: int, payload: bytes, serial: int) -> bytes:
    """One request to its end; the reply's payload, b"" for an acknowledgement alone. Raises OSError."""
    sock.sendto(struct.pack("=IHHII", 16 + len(payload), kind, _REQUEST_ACK, serial, 0) + payload, (0, 0))
    reply = b""
    for _ in range(8):
        data = sock.recv(8192)
        length, got, _, number, _ = struct.unpack_from("=IHHII", data)
        if number != serial:
            continue
        if got == _NLMSG_ERROR:
            failed = -struct.unpack_from("=i", data, 16)[0]
            if failed:
                raise OSError(failed, os.strerror(failed))
            if reply or kind != AUDIT_TTY_GET:
                return reply
        elif got == kind:
            reply = data[16:length]
            return reply if kind == AUDIT_TTY_GET else b""
    return reply
