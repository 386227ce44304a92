"""Rules of annotator.linux.netns and sockets: who is in a network namespace, and whose an address is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import SourceError
from annotator.linux import sockets
from annotator.linux.netns import MAX_NETNS, NetnsTable, normal, open_netns, read_names
from annotator.linux.procevents import ProcEvents
from annotator.model import Container, ContId, NetnsId, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOST, POD, WEB = NetnsId(4, 4026531840), NetnsId(4, 4026532001), NetnsId(4, 4026532002, 77)
ROOT = os.geteuid() == 0


def container(id_: str) -> Container:
    """A container of that id."""
    return Container(ContId(1), id_)


def test_a_namespace_holds_a_set() -> None:
    """A pod's containers share one; each is there once; the host's namespace holds nobody."""
    table, one, two = NetnsTable(HOST), container("a"), container("b")
    for each in (one, two, one):
        table.joined(POD, each)
    table.joined(HOST, one)
    assert table.containers(POD) == (one, two)
    assert table.containers(HOST) == ()
    assert table.of(two) == (POD,)
    table.left(POD, one)
    assert table.containers(POD) == (two,)


def test_what_ended_is_not_answered() -> None:
    """An ended container leaves; with the last one the namespace is forgotten, unless it has a name."""
    table, one, two = NetnsTable(HOST), container("a"), container("b")
    table.joined(POD, one)
    table.joined(WEB, two)
    table.named({WEB: "cni-1"})
    one.end_ms = 5
    assert table.containers(POD) == ()
    table.ended(one)
    table.ended(two)
    assert len(table) == 1
    assert (table.name(WEB), table.name(POD)) == ("cni-1", "")
    table.named({})
    assert table.name(WEB) == ""


def test_an_address_leads_to_containers_where_only_one_namespace_has_it() -> None:
    """Two that have it are ambiguous, the host's own address is the host's, loopback is everybody's."""
    table, one, two, web = NetnsTable(HOST), container("a"), container("b"), container("c")
    table.joined(POD, one)
    table.joined(POD, two)
    table.joined(WEB, web)
    table.has(HOST, ["192.0.2.1", "10.0.0.1"], 0)
    table.has(POD, ["10.0.0.2", "fd00:0:0::2", "127.0.0.1"], 0)
    table.has(WEB, ["10.0.0.3", "10.0.0.1", "::ffff:10.0.0.4"], 0)
    assert table.at_address("10.0.0.2") == (one, two)
    assert table.at_address("fd00::2") == (one, two)
    assert table.at_address("10.0.0.4") == (web,)
    assert table.at_address("192.0.2.1") == ()
    assert table.at_address("10.0.0.1") is Reason.AMBIGUOUS
    assert [table.at_address(text) for text in ("127.0.0.1", "10.9.9.9", "nonsense")] == [Reason.NOT_SEEN] * 3
    table.has(WEB, ["10.0.0.2"], 1)
    assert table.at_address("10.0.0.3") is Reason.NOT_SEEN
    assert table.at_address("10.0.0.2") is Reason.AMBIGUOUS
    web.end_ms = 2
    table.ended(web)
    assert table.at_address("10.0.0.2") == (one, two)


def test_addresses_are_asked_for_when_they_are_old() -> None:
    """Once a minute of each namespace, of a process that was seen there; who does not answer is asked again later."""
    table = NetnsTable(HOST)
    table.joined(POD, container("a"), pid=10)
    table.joined(WEB, container("b"), pid=20)
    asked: list[int] = []

    def ask(netns: NetnsId, pid: int) -> Iterable[str] | None:
        asked.append(pid)
        return ["10.0.0.2"] if netns == POD else None

    table.refresh(0, ask)
    table.refresh(59_000, ask)
    assert asked == [10, 20]
    table.refresh(60_000, ask)
    assert sorted(asked) == [10, 10, 20, 20]
    assert table.at_address("10.0.0.2") == table.containers(POD)


def test_the_table_is_bounded() -> None:
    """Namespaces not heard of longest are forgotten, with their addresses."""
    table = NetnsTable(HOST)
    for ino in range(MAX_NETNS + 5):
        netns = NetnsId(4, ino)
        table.joined(netns, container(str(ino)))
        if ino < 3:
            table.has(netns, [f"10.0.0.{ino + 1}"], 0)
    assert len(table) == MAX_NETNS
    assert table.at_address("10.0.0.1") is Reason.NOT_SEEN


@given(st.text(max_size=70) | st.ip_addresses().map(str))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """And a normal one stays as it is."""
    found = normal(text)
    assert found is None or normal(found) == found


def test_names_of_a_machine_without_any(tmp_path: Path) -> None:
    """No directory, no proc: no names."""
    assert read_names(tmp_path) == {}


# --- live -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sandbox() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a network namespace of its own, with an address and a listener."""
    if not ROOT:
        pytest.skip("needs root")
    code = (
        "import socket,subprocess,time\n"
        "subprocess.run(['ip','addr','add','10.231.7.9/32','dev','lo'],check=True)\n"
        "subprocess.run(['ip','link','set','lo','up'],check=True)\n"
        "s=socket.socket();s.bind(('10.231.7.9',4242));s.listen()\n"
        "print('ready',flush=True)\ntime.sleep(60)\n"
    )
    child = subprocess.Popen(["unshare", "-n", "/usr/bin/python3", "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    if child.stdout.readline() != b"ready\n":
        pytest.skip("no ip(8) here")
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.live
def test_addresses_and_sockets_of_another_namespace(sandbox: subprocess.Popen[bytes]) -> None:
    """They are those of that namespace; our own thread stays where it is, and no namespace is made."""
    before = Path("/proc/thread-self/ns/net").readlink()
    status = Path(f"/proc/{sandbox.pid}/ns/net").stat()
    netns = NetnsId(status.st_dev, status.st_ino)
    fd = open_netns(netns, sandbox.pid)
    assert fd >= 0
    try:
        assert [one.address for one in sockets.addresses(fd)] == ["10.231.7.9"]
        found = sockets.connections(fd)
        assert [(one.protocol, one.local, one.port) for one in found] == [("tcp", "10.231.7.9", 4242)]
    finally:
        os.close(fd)
    assert Path("/proc/thread-self/ns/net").readlink() == before
    assert open_netns(NetnsId(netns.dev, netns.ino + 1), sandbox.pid) == -1
    assert open_netns(netns, 2**22 - 1) == -1


@pytest.mark.live
@pytest.mark.skipif(not ROOT, reason="needs root")
def test_what_is_no_namespace_is_our_error() -> None:
    """A descriptor of something else: said, not raised as whatever pyroute2 has."""
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(SourceError, match="network namespace"):
            sockets.addresses(null)
    finally:
        os.close(null)


@pytest.mark.live
def test_names_are_those_of_mounted_namespaces(sandbox: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A name that leads to a namespace counts; a plain file that an engine left behind does not."""
    (tmp_path / "run/docker/netns").mkdir(parents=True)
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "run/docker/netns/stale").touch()
    (tmp_path / "run/docker/netns/gone").symlink_to("/proc/4194303/ns/net")
    (tmp_path / "run/docker/netns/web").symlink_to(f"/proc/{sandbox.pid}/ns/net")
    found = read_names(tmp_path)
    ino = Path(f"/proc/{sandbox.pid}/ns/net").stat().st_ino
    assert [(netns.ino, name) for netns, name in found.items()] == [(ino, "web")]


@pytest.mark.live
@pytest.mark.skipif(not ROOT, reason="needs root")
def test_pyroute2_s_socket_can_be_read_too() -> None:
    """Its connector socket, bound by pyroute2 and read by us, gives the same events."""
    events = ProcEvents(0, sock=sockets.connector())
    child = subprocess.Popen(["true"])
    child.wait()
    found = events.drain(100_000)
    for _ in range(50):
        if any(event.pid == child.pid for event in found):
            break
        time.sleep(0.02)
        found += events.drain(100_000)
    events.close()
    assert child.pid in {event.pid for event in found}
