"""Rules of annotator.linux.host.namespaces and mount_ns: which namespace is whose, and for how long."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.contracts import NO_ENGINE
from annotator.core.model import Container, ContId, Ns, Reason
from annotator.linux.host.mount_ns import NamespaceOwners, Witness
from annotator.linux.host.namespaces import (
    KINDS,
    Namespace,
    own_of,
    parse_link,
    root_mount,
    sandbox_id,
    unique_id,
    unit_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = tuple(name + b":[1]" for name, _ in KINDS)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b"mnt:[4026531832]", (b"mnt", 4026531832)),
        (b"mnt:[0]", None),
        (b"mnt:[4294967296]", None),
        (b"mnt:[1]x", None),
        (b"/etc/passwd", None),
        (b"pid_for_children:[1]", None),
    ],
)
def test_links(text: bytes, want: tuple[bytes, int] | None) -> None:
    """A kind and an inode, and nothing else."""
    assert parse_link(text) == want


@given(st.binary(max_size=40))
def test_any_link(text: bytes) -> None:
    """What is read is written back the same, but for leading zeros."""
    found = parse_link(text)
    assert found is None or text.startswith(found[0] + b":[")


def test_own_namespaces() -> None:
    """Those that differ; a kind that one side lacks is the same; without files and processes nothing is known."""
    assert own_of(HOST, HOST) is Ns.NONE
    assert own_of((b"mnt:[2]", *HOST[1:]), HOST) == Ns.MNT
    assert own_of((*HOST[:7], b""), HOST) == Ns.NONE
    assert own_of((b"", *HOST[1:]), HOST) is None
    assert own_of(HOST, (HOST[0], b"", *HOST[2:])) is None


def test_the_root_is_the_last_mount_there() -> None:
    """A later mount over `/` covers the earlier one; other mounts do not count."""
    text = b"22 1 8:1 / / rw - ext4 a rw\n23 22 0:5 / /proc rw - proc proc rw\n30 22 0:9 /x / ro - tmpfs  rw\n"
    assert root_mount(text) == b"0:9 /x"
    assert root_mount(b"23 22 0:5 / /proc rw - proc proc rw\n") is None


@pytest.mark.parametrize(
    ("cgroup", "want"),
    [
        (b"0::/system.slice/cron.service\n", b"cron.service"),
        (b"0::/system.slice/cron.service/sub\n", b"cron.service"),
        (b"1:name=systemd:/system.slice/a.service\n0::/\n", b"a.service"),
        (b"0::/user.slice/user-1000.slice/session-1.scope\n", b""),
        (b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", b""),
        (b"0::/user.slice/user-1000.slice/user@1000.service/init\n", b""),
        (b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/y.service\n", b"y.service"),
        (b"2:cpu:/system.slice/cron.service\n0::/\n", b""),
    ],
)
def test_units(cgroup: bytes, want: bytes) -> None:
    """The service whose cgroup it is; a user's manager is none, a session is none."""
    assert unit_of(cgroup) == want


def test_the_id_of_a_sandbox() -> None:
    """Where ids are recycled the birth of the first process tells one from the next."""
    assert sandbox_id(Namespace(Ns.MNT, 4026532000, 4711), 99) == "mnt:4711"
    assert sandbox_id(Namespace(Ns.PID, 4026532000), 99) == "pid:[4026532000]@99"


@pytest.mark.live
def test_ids_that_are_never_recycled() -> None:
    """This kernel gives the same id for the same namespace, or none for a file that is no namespace."""
    for name, kind in KINDS:
        first, second = (os.open(f"/proc/self/ns/{name.decode()}", os.O_RDONLY) for _ in range(2))
        assert unique_id(first, kind) == unique_id(second, kind)
        os.close(first)
        os.close(second)
    null = os.open("/dev/null", os.O_RDONLY)
    assert unique_id(null, Ns.MNT) == 0
    os.close(null)


# --- places ---------------------------------------------------------------------------------------------------------

NAMESPACE, UNIQUE = Namespace(Ns.MNT, 5), Namespace(Ns.MNT, 5, 9)


def container(id_: str, engine: str = "docker") -> Container:
    """A container of that id."""
    return Container(ContId(1), id_, engine=engine)


def never(witness: Witness, namespace: Namespace) -> bool:
    """Nobody lives any more."""
    return False


def always(witness: Witness, namespace: Namespace) -> bool:
    """Everybody lives."""
    return True


@pytest.mark.parametrize(
    ("lives", "namespace", "held"), [(always, NAMESPACE, True), (never, NAMESPACE, False), (never, UNIQUE, True)]
)
def test_a_claim_needs_a_living_witness_or_an_id(
    lives: Callable[[Witness, Namespace], bool], namespace: Namespace, held: bool
) -> None:
    """An inode is recycled, an id is not."""
    owners, one = NamespaceOwners(lives), container("a")
    owners.claim(namespace, one, 10, 100)
    assert owners.find(namespace) is (one if held else None)
    assert owners.find(Namespace(Ns.MNT, 6)) is None


def test_any_living_witness_will_do() -> None:
    """The first process may end; only when the last that was seen there is gone, the claim is."""
    alive = {10, 11, 12, 13, 14, 15}
    owners, one = NamespaceOwners(lambda witness, _: witness.pid in alive), container("a")
    for pid in sorted(alive):
        owners.claim(NAMESPACE, one, pid, pid)
    alive -= {15, 14}
    assert owners.find(NAMESPACE) is one
    alive.clear()
    assert owners.find(NAMESPACE) is None


def test_two_claims() -> None:
    """The container that began there has it; if both did, the engine's; if both are engines', nobody."""
    owners, one, two, sandbox = NamespaceOwners(always), container("a"), container("b"), container("s", NO_ENGINE)
    owners.claim(NAMESPACE, one, 10, 100)
    owners.claim(Namespace(Ns.MNT, 6), two, 20, 200)
    owners.claim(NAMESPACE, two, 21, 210)
    assert owners.find(NAMESPACE) is one
    owners.claim(NAMESPACE, sandbox, 10, 100)
    assert owners.find(NAMESPACE) is one
    owners.claim(NAMESPACE, container("c"), 30, 50)
    assert owners.find(NAMESPACE) is Reason.AMBIGUOUS
