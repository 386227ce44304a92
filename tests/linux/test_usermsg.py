"""Registrations as audit user messages: what is written is read back, and believed only where the kernel vouched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import Actor, ContId, Registered
from annotator.core.registry import derive_contid
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.replay import Replay
from annotator.linux.netlink.user_messages import RegistrationMessage, message
from annotator.linux.records.translate_user import virt_control

if TYPE_CHECKING:
    from pathlib import Path

ADDED = 'exe="/usr/bin/python3.11" hostname=? addr=? terminal=? res=success'
"""What the audit library puts behind a message."""

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), max_size=60)


def read_back(said: RegistrationMessage) -> Registered:
    """The fact in the record that the kernel makes of it."""
    body = f"pid=9 uid=0 auid=4294967295 ses=4294967295 msg='{message(said)} {ADDED}'".encode()
    (fact,) = virt_control(Actor(9), body)
    assert isinstance(fact, Registered)
    return fact


@given(
    st.integers(1, 2**31 - 1),
    st.integers(0, 2**64 - 2),
    PRINTABLE.filter(bool),
    PRINTABLE,
    st.sampled_from(["crio", "podman"]),
)
def test_what_is_said_is_read_back(pid: int, contid: int, engine_id: str, name: str, engine: str) -> None:
    """Whatever an engine calls its container: quotes, hex digits, other scripts."""
    fact = read_back(RegistrationMessage(pid, ContId(contid), engine_id, name, engine))
    assert fact == Registered(pid, 9, ContId(contid), ok=True, id=engine_id, name=name, engine=engine)


@given(st.text(), st.text(), st.text(), st.text())
def test_nothing_gets_out_of_its_value(engine_id: str, name: str, engine: str, op: str) -> None:
    """No value ends the message, adds a key to it, or makes it longer than the kernel takes."""
    text = message(RegistrationMessage(5, ContId(7), engine_id, name, engine, op))
    words = text.split(" ")
    assert [word.partition("=")[0] for word in words] == ["virt", "op", "reason", "vm", "uuid", "vm-pid", "contid"]
    assert "'" not in text
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 2000


@pytest.mark.parametrize("engine_id", ["12345678", "ABCDEF", "a'b", 'a"b', "a b", "ab" * 32, "web-1", "?", "(null)"])
def test_an_id_is_not_taken_for_hex(engine_id: str) -> None:
    """Digits alone would be decoded by every reader: they are quoted."""
    assert read_back(RegistrationMessage(5, ContId(7), engine_id)).id == engine_id


def test_a_refusal_is_said_and_registers_nothing() -> None:
    """`res=failed`, and the errno's name as the reason."""
    text = message(RegistrationMessage(5, ContId(7), "web", refused="EEXIST"))
    assert " reason=EEXIST " in text
    body = f"pid=9 uid=0 msg='{text} {ADDED.replace('success', 'failed')}'".encode()
    assert virt_control(Actor(9), body) == ()


VOUCHED = """\
type=CONFIG_CHANGE msg=audit(1795310386.311:18002): pid=9893 uid=0 auid=4294967295 ses=4294967295 op=tty_set \
old-enabled=0 new-enabled=0 old-log_passwd=0 new-log_passwd=1 res=1
type=SYSCALL msg=audit(1795310386.311:18002): arch=c000003e syscall=44 success=yes exit=24 a0=3 a1=7fef5815b390 a2=18 \
a3=0 items=0 ppid=9880 pid=9893 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) \
ses=4294967295 comm="python3" exe="/usr/bin/python3.11" key=(null)
type=PROCTITLE msg=audit(1795310386.311:18002): proctitle=707974686F6E33
"""
MESSAGE = (
    "type=VIRT_CONTROL msg=audit(1795310386.311:18003): pid=9893 uid=0 auid=4294967295 ses=4294967295 msg='"
    + message(RegistrationMessage(9901, derive_contid("ab" * 32), "ab" * 32, "web", "podman"))
    + f" {ADDED}'\n"
)
SECOND = MESSAGE.replace("9901", "99").replace(":18003", ":18005")
INSIDE = """\
type=SYSCALL msg=audit(1795310386.402:18004): arch=c000003e syscall=83 success=yes exit=0 a0=7ffc0a620f8b a1=1ff a2=0 \
a3=0 items=0 ppid=9880 pid=9901 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) \
ses=4294967295 comm="mkdir" exe="/bin/busybox" key=(null)
"""


@pytest.mark.parametrize(
    ("log", "known"),
    [
        (VOUCHED + MESSAGE + INSIDE, True),
        (MESSAGE + INSIDE, False),
        (VOUCHED.replace("res=1", "res=0") + MESSAGE + INSIDE, False),
        (VOUCHED.replace("tty_set", "set") + MESSAGE + INSIDE, False),
        (VOUCHED.replace("log_passwd=1", "log_passwd=0") + MESSAGE + INSIDE, False),
        (VOUCHED.replace("new-enabled=0", "new-enabled=1") + MESSAGE + INSIDE, False),
        (VOUCHED + MESSAGE.replace("386.311", "387.400") + INSIDE.replace("386.402", "387.402"), False),
        (VOUCHED + VOUCHED.replace(":18002", ":18003").replace("syscall=44", "syscall=231") + MESSAGE + INSIDE, False),
        (VOUCHED.replace("CONFIG_CHANGE", "USER_MGMT") + MESSAGE + INSIDE, False),
        (VOUCHED + MESSAGE.replace("pid=9893 uid=0", "pid=9894 uid=0") + INSIDE, False),
        (VOUCHED + MESSAGE.replace("pid=9893 uid=0", "pid=9893 uid=7") + INSIDE, False),
        (VOUCHED + MESSAGE + SECOND + INSIDE.replace("9901", "99"), False),
    ],
)  # fmt: skip
def test_a_bare_log_proves_a_registration_that_the_kernel_vouched_for(tmp_path: Path, log: str, known: bool) -> None:
    """Recorded on Linux 6.18: of the sender only what stands outside the quotes counts, and once.

    Not believed: what pam_tty_audit sets, a message that comes later than at once, and of who has ended meanwhile.
    """
    path = tmp_path / "audit.log"
    path.write_text(log, "ascii")
    run = Replay(Options(format="json"))
    out = b"".join(run.feed(block) for block in blocks_of((str(path),))) + run.finish()
    last = json.loads(out.splitlines()[-1])
    assert last["provenance"]["status"] == ("container" if known else "unknown")
    if known:
        assert last["container"] == {"id": "ab" * 32, "name": "web", "runtime": "podman"}
        assert last["provenance"]["evidence"] == ["registered"]
        assert last["provenance"]["session"] == {"id": "0"}
