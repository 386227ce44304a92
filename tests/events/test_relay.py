"""Which machine a record is of: its `node=`, else its relay's host."""

from __future__ import annotations

import pytest

from annotator.core.stats import Stats
from annotator.events import EventAssembler, Serials
from annotator.events.relay import relay_host
from annotator.linux.backend import Linux

RECORD = b"type=USER_LOGIN msg=audit(1700000000.100:%d): pid=1 uid=0 auid=0 ses=1 msg='op=login res=success'"


@pytest.mark.parametrize(
    ("prefix", "host"),
    [
        (b"Feb 25 06:13:20 web1 audispd:", b"web1"),
        (b"Feb  5 06:13:20 web1.example.com audit_log", b"web1.example.com"),
        (b"<13>Nov 20 21:51:38 relay audispd:", b"relay"),
        (b"Feb 25 06:13:20 web1", b"web1"),
        (b"Feb 25 06:13:20 audispd:", b""),
        (b"Feb 25 06:13:20 audispd[700]:", b""),
        (b"2026-02-25T06:13:20.123456+01:00 web1 audispd:", b"web1"),
        (b"2026-02-25T06:13:20Z 10.0.0.7 audispd:", b"10.0.0.7"),
        (b"<38>1 2026-02-25T06:13:20.100Z web1 audisp-syslog 700 - -", b"web1"),
        (b"<38>1 2026-02-25T06:13:20.100Z - audisp-syslog 700 - -", b""),
        (b"<38>1 2026-02-25T06:13:20.100Z 2001:db8::7 audisp-syslog 700 - -", b"2001:db8::7"),
        (b"some other text", b""),
        (b"", b""),
    ],
)
def test_a_relay_names_the_machine(prefix: bytes, host: bytes) -> None:
    """RFC 3164 and 5424, and rsyslog's own file format; a tag is no host, nor is `-`."""
    assert relay_host(prefix) == host


@pytest.mark.parametrize(
    ("line", "node"),
    [
        (b"node=Web A " + RECORD % 1, b"Web A"),
        (b"Feb 25 06:13:20 relay audispd: node=web1 " + RECORD % 1, b"web1"),
        (b"Feb 25 06:13:20 web1 audispd: " + RECORD % 1, b"web1"),
        (RECORD % 1, b"here"),
    ],
)
def test_the_node_of_a_record_is_the_nearest_name(line: bytes, node: bytes) -> None:
    """Its own, its relay's, its file's."""
    assembler = EventAssembler(Linux().completes, Stats())
    assembler.file_node = b"here"
    assembler.feed([line])
    (event,) = assembler.flush()
    assert event.node == node
    assert event.key == node + b" 1700000000.100:1"


def test_no_relay_is_asked_where_all_is_of_one_machine() -> None:
    """`--one-machine`, `--node`."""
    assembler = EventAssembler(Linux().completes, Stats(), relays=False)
    assembler.feed([b"Feb 25 06:13:20 web1 audispd: " + RECORD % 1, b"Feb 25 06:13:20 web2 audispd: " + RECORD % 2])
    assert {event.node for event in assembler.flush()} == {b""}


def test_two_counts_of_serials_by_turns_are_two_machines() -> None:
    """Far apart or near to each other; a boot, late events and losses are none."""
    for first, second in ((5_000, 1_000), (5_000_000, 1_000)):
        serials = Serials()
        for turn in range(4):
            for step in range(3):
                serials.observe(first + 3 * turn + step, 1000 * turn + step)
            for step in range(3):
                serials.observe(second + 3 * turn + step, 1000 * turn + 500 + step)
        assert serials.is_mixed, (first, second)
    serials = Serials()
    ms = 0
    for boot in range(5):
        for serial in range(100, 2000, 1 + boot):
            ms += 10
            serials.observe(serial, ms)
            if serial > 700 and serial % 10 == 0:
                serials.observe(serial - 500, ms - 400)  # late, with the stamp of its time
    assert not serials.is_mixed
