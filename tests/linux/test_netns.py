"""Rules of linux.host.netns and sockets: what addresses a network namespace has, and under which name it is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import SourceError
from annotator.core.model import NetnsId
from annotator.core.registry import derive_contid
from annotator.linux.host import netns as module
from annotator.linux.host.netns import NetnsNames, local_ipv4, local_ipv6, open_netns, read_names
from annotator.linux.host.view import LinuxHost
from annotator.linux.netlink import sockets
from annotator.linux.netlink.proc_events import ProcEvents

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0

FIB_TRIE = b"""\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.77.3.0/24 2 0 2
        +-- 10.77.3.0/30 2 0 2
           |-- 10.77.3.0
              /24 link UNICAST
           |-- 10.77.3.2
              /32 host LOCAL
        |-- 10.77.3.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.0
        /24 host LOCAL
     |-- 192.0.2.9
        /25 link UNICAST
        /32 universe LOCAL
     |-- 192.0.2.10
        /32 universe UNICAST
Local:
           |-- 10.77.3.2
              /32 host LOCAL
"""
"""As 6.18 writes it of a veth end, with a route to a range of its own, an address that a route leads to as well, and a
route to one of another."""

IF_INET6 = b"""\
00000000000000000000000000000001 01 80 10 80       lo
fd77000000000000000000000000000a 02 40 00 c0     eth0
fe800000000000003c31c3fffe291c4c 02 40 20 c0     eth0
"""


def test_own_addresses_are_the_local_ones_of_one_host() -> None:
    """Not those of the network, not broadcast, not where a route leads; each once."""
    assert local_ipv4(FIB_TRIE) == ["10.77.3.2", "127.0.0.1", "192.0.2.9"]
    assert local_ipv6(IF_INET6) == [
        "0000:0000:0000:0000:0000:0000:0000:0001",
        "fd77:0000:0000:0000:0000:0000:0000:000a",
        "fe80:0000:0000:0000:3c31:c3ff:fe29:1c4c",
    ]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(FIB_TRIE.splitlines(keepends=True))).map(b"".join))
def test_any_text_is_read(text: bytes) -> None:
    """Whatever it is: addresses, as text, or none."""
    assert all(isinstance(one, str) for one in (*local_ipv4(text), *local_ipv6(text)))


def test_a_name_is_looked_for_again_soon_and_believed_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace is there before its name."""
    now, there, read = [1000], dict[NetnsId, str](), list[int]()

    def names(_: Path) -> dict[NetnsId, str]:
        read.append(now[0])
        return dict(there)

    monkeypatch.setattr(module, "read_names", names)
    asked, web = NetnsNames(Path("/"), lambda: now[0]), NetnsId(4, 7)
    assert asked.of(web) == ""
    there[web] = "web"
    for ms, name in ((1049, ""), (1050, "web"), (2049, "web")):
        now[0] = ms
        assert asked.of(web) == name
    there.clear()
    now[0] = 2050
    assert asked.of(web) == ""
    assert read == [1000, 1050, 2050]


def tree(root: Path, *, fib: bytes = FIB_TRIE) -> LinuxHost:
    """A recorded machine: pid 1 in the host's namespaces, 7 in a network namespace of its own."""
    for pid, ino in ((1, 4026531833), (7, 4026532001)):
        at = root / "proc" / str(pid)
        (at / "ns").mkdir(parents=True)
        (at / "net").mkdir()
        (at / "stat").write_bytes(b"%d (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0" % pid)
        (at / "net/fib_trie").write_bytes(fib)
        for kind, number in (("mnt", 4026531832), ("pid", 4026531836), ("net", ino)):
            (at / "ns" / kind).symlink_to(f"{kind}:[{number}]")
    (root / "proc/7/net/if_inet6").write_bytes(IF_INET6)
    return LinuxHost(root, live=False, derive=derive_contid, now=lambda: 5000, offset_ms=0)


def test_the_host_view_reads_the_namespace_of_a_process(tmp_path: Path) -> None:
    """Its addresses, when, through whom, whether it is the host's; also where there is no IPv6; of nobody nothing."""
    host = tree(tmp_path)
    found = host.network(7)
    assert found is not None
    assert (found.netns, found.read_ms, found.pid, found.host) == (NetnsId(0, 4026532001), 5000, 7, False)
    assert found.addresses == (*local_ipv4(FIB_TRIE), *local_ipv6(IF_INET6))
    own = host.network(1)
    assert own is not None
    assert own.host
    assert own.addresses == tuple(local_ipv4(FIB_TRIE))
    assert host.network(8) is None


def test_of_a_table_that_is_too_long_nothing_is_said(tmp_path: Path) -> None:
    """The address that matters may be behind what was read."""
    assert tree(tmp_path, fib=FIB_TRIE * 2000).network(7) is None


def test_of_a_process_that_went_elsewhere_meanwhile_nothing_is_said(tmp_path: Path) -> None:
    """Its files may be those of the one namespace or of the other."""
    host = tree(tmp_path)
    plain = host.proc.read
    link = tmp_path / "proc/7/ns/net"

    def read(name: str | bytes, dir_fd: int, limit: int = 0) -> bytes:
        if name == "net/fib_trie":
            link.unlink()
            link.symlink_to("net:[4026532999]")
        return plain(name, dir_fd, limit)

    host.proc.read = read  # type: ignore[method-assign]
    assert host.network(7) is None


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
