"""The kernel's fields by their places: what users write into a record never changes whose it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import NO_PID, Actor, Event, Stamp
from annotator.formats.raw import own_fields
from annotator.linux.backend import Linux
from annotator.linux.records.kernel_fields import subject
from annotator.linux.records.syntax import separator, split
from annotator.linux.records.translate import full_reading

PARTS = [
    b" pid=2003", b" uid=0", b" auid=0", b" ses=9", b"pid=2003 ", b" subj=x", b" msg='", b"'", b"\x1d", b'UID="root"',
    b" op=x pid=2003 subj=y", b' comm="x"', b" family=2 entries=1", b" contid=5", b" res=1", b" key=(null)",
    b" type=SYSCALL msg=audit(1.000:1):", b" old-auid=1 auid=0 tty=x old-ses=1 ses=2 res=1", b'\x1dUID="x"',
    b'#035UID="x"', b' pid=9 comm="a"', b"type=A msg=audit(0", b" sig=11", b' contid=5 container_id="evil"',
]  # fmt: skip
"""What the kernel or auditd could have written."""

HOSTILE = st.one_of(
    st.binary(max_size=60).filter(lambda text: b"\n" not in text),
    st.lists(
        st.sampled_from(PARTS),
        max_size=6,
    ).map(b"".join),
)

KNOWN = Actor(1001, uid=1000, auid=1000, ses=3)


def ids(actor: Actor | None) -> tuple[int, int, int, int]:
    """The numbers that say who it was."""
    assert actor is not None
    return actor.pid, actor.uid, actor.auid, actor.ses


def event_of(record: bytes) -> Event:
    """An event of one record."""
    return Event(b"1790000000.420:114", b"", Stamp(1790000000420, 114), record)


def line(kind: bytes, body: bytes) -> bytes:
    """A record."""
    return b"type=" + kind + b" msg=audit(1790000000.420:114): " + body


BODIES = [
    (b"USER_CMD", b"pid=1001 uid=1000 auid=1000 ses=3 subj=%b msg='%b'"),
    (b"USER_AVC", b"pid=1001 uid=1000 auid=1000 ses=3 subj=%b msg='%b'"),
    (b"VIRT_CONTROL", b"pid=1001 uid=1000 auid=1000 ses=3 subj=%b msg='%b res=success'"),
    (b"USER", b"user pid=1001 uid=1000 auid=1000 ses=3 subj=%b msg='%b'"),
    (b"LOGIN", b"pid=1001 uid=1000 subj=%b%b old-auid=7 auid=1000 tty=(none) old-ses=8 ses=3 res=1"),
    (b"ANOM_ABEND", b'auid=1000 uid=1000 gid=0 ses=3 subj=%b%b pid=1001 comm="x" exe="/x" sig=11 res=1'),
    (b"SECCOMP", b'auid=1000 uid=1000 gid=0 ses=3 subj=%b%b pid=1001 comm="x" exe="/x" sig=31 arch=c000003e code=0x0'),
    (b"TTY", b'tty pid=1001 uid=1000 auid=1000 ses=3 major=4 minor=1 comm="%.0b%.0bsh" data=6C73'),
    (b"INTEGRITY_DATA", b'pid=1001 uid=1000 auid=1000 ses=3 subj=%b%b op=x cause=y comm="x" name="/x" res=0'),
    (b"EVENT_LISTENER", b'pid=1001 uid=1000 auid=1000 tty=x ses=3 subj=%b%b comm="x" exe="/x" op=connect res=1'),
    (
        b"URINGOP",
        b"uring_op=18 success=yes exit=0 items=0 ppid=9 pid=1001 uid=1000 auid=1000 ses=3 subj=%b%b key=(null)",
    ),
]


@pytest.mark.parametrize(("kind", "body"), BODIES, ids=[kind.decode() for kind, _ in BODIES])
@given(label=HOSTILE, text=HOSTILE)
def test_a_users_text_never_changes_whose_record_it_is(kind: bytes, body: bytes, label: bytes, text: bytes) -> None:
    """Labels and messages are free text, whatever they hold."""
    record = line(kind, body % (label.strip(), text))
    if b" msg=audit(" in label + text:  # as a torn line, of which the rest may be lost
        assert subject(*split(record)).pid in (1001, NO_PID)
        return
    assert ids(subject(*split(record))) == ids(KNOWN)
    assert ids(full_reading(event_of(record)).actor) == ids(KNOWN)
    enriched = record + b'\x1dUID="alice" AUID="unset"'
    assert ids(subject(*split(enriched))) == ids(KNOWN)


@given(table=HOSTILE, label=HOSTILE)
def test_a_tables_name_never_names_another_process(table: bytes, label: bytes) -> None:
    """The name of a netfilter table stands before the kernel's pid, the label behind it: one pid, or none is taken."""
    body = b'table=%b:2 family=2 entries=1 op=nft_register_table pid=1001 subj=%b comm="nft"' % (table, label.strip())
    actor = subject(*split(line(b"NETFILTER_CFG", body)))
    assert actor.pid in (1001, NO_PID)
    if b"pid=" not in table + label and b" msg=audit(" not in table + label:
        assert actor.pid == 1001


def test_a_separator_in_a_users_text_is_none() -> None:
    """The separator is auditd's where nothing but its copies follows: the kernel writes behind a user's text."""
    table = b'table=x\x1dUID="a" family=2 entries=1 op=nft_register_table pid=7 subj=x comm="nft"'
    message = b"pid=7 uid=0 auid=0 ses=1 msg='op=x\x1dUID=\"a\" res=success'"
    for body in (table, message):
        assert separator(body) == (len(body), len(body))
        copied = body + b'\x1dUID="root" OLD-AUID="unset" SADDR={ saddr_fam=inet laddr=10.0.0.1 lport=443 }\r'
        assert separator(copied) == (len(body), len(body) + 1)
        relayed = body.replace(b"\x1d", b"#035") + b'#035UID="root" ARCH=x86_64'
        assert relayed[separator(relayed)[1] :] == b'UID="root" ARCH=x86_64'


def test_a_torn_line_ends_where_another_record_begins() -> None:
    """What stands behind the second `type=` is another event's, and the field before it was torn."""
    body = (
        b"arch=c000003e syscall=56 success=yes exit=5 ppid=1 ptype=SYSCALL msg=audit(1.000:2): ppid=1 pid=1999 auid=0"
    )
    name, rest = split(line(b"SYSCALL", body))
    assert (name, rest) == (b"SYSCALL", b"arch=c000003e syscall=56 success=yes exit=5 ppid=1")
    reading = full_reading(event_of(line(b"SYSCALL", body)))
    assert reading.actor is None
    assert reading.unknown == "gap"
    quoted = b"pid=1 uid=0 auid=0 ses=1 msg='cmd=type=SYSCALL msg=audit(1.000:2): x'"
    assert split(line(b"USER", quoted))[1] == quoted


@pytest.mark.parametrize(("kind", "body"), BODIES, ids=[kind.decode() for kind, _ in BODIES])
@given(label=HOSTILE, text=HOSTILE)
def test_a_users_text_is_never_taken_for_our_fields(kind: bytes, body: bytes, label: bytes, text: bytes) -> None:
    """Ours stand behind the kernel's last field; what is appended there is found again, and nothing else is."""
    backend = Linux()
    for tail in (b"", b'\x1dUID="alice"'):
        event = event_of(line(kind, body % (label.strip(), text)) + tail)
        event.at = 0
        place = backend.place(event)
        assert place is not None
        assert own_fields(event.line(0), backend.own_fields(event, place), place.offset) == (-1, {})
        before = event.line(0)
        event.put(0, before[: place.offset] + b' contid=7 cont_how="command"' + before[place.offset :])
        place = backend.place(event)
        assert place is not None
        begin = backend.own_fields(event, place)
        end, values = own_fields(event.line(0), begin, place.offset)
        assert values == {"contid": b"7", "cont_how": b'"command"'}
        assert event.line(0)[:begin] + event.line(0)[end:] == before
