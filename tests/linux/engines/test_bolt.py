"""BoltDB: a recorded file, files made here, and files that are damaged, hostile or being written."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import FormatError
from annotator.linux.engines.bolt import MAX_PAGES, Bolt, ask, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., bytes]


def everything(view: Bolt, at: tuple[bytes, ...] = ()) -> dict[bytes, object]:
    """The whole tree below a bucket."""
    return {
        key: everything(view, (*at, key)) if value is None and len(at) < 8 else value for key, value in view.items(at)
    }


class File:
    """Bytes with a descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.fd = os.open(path, os.O_RDONLY)

    def put(self, data: bytes) -> int:
        """The descriptor, with the file holding these bytes."""
        self.path.write_bytes(data)
        return self.fd


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[File]:
    """One file for all these tests."""
    made = File(tmp_path_factory.mktemp("bolt") / "db")
    yield made
    os.close(made.fd)


def test_a_recorded_file_of_podman(samples: Path) -> None:
    """Buckets in pages of their own, inline buckets, branch pages and overflow: all that podman wrote is found."""
    fd = os.open(samples / "podman/root/var/lib/containers/storage/libpod/bolt_state.db", os.O_RDONLY)
    try:
        view = Bolt(fd)
        names = dict(view.items((b"name-registry",)))
        assert sorted(names) == [b"94c7df7e9e77-infra", b"inpod", b"inpod2", b"mypod", b"pod2", b"web1"]
        assert view.get((b"runtime-config",), b"run-root") == b"/run/containers/storage"
        config = view.get((b"ctr", names[b"web1"] or b""), b"config")
        assert config is not None
        assert config.startswith(b'{"spec":')
        assert config.endswith(b"}")
        assert view.get((b"ctr",), names[b"web1"] or b"") is None, "a bucket is no value"
        assert list(view.items((b"no such",))) == []
        assert version(fd) == 88
    finally:
        os.close(fd)


def test_what_was_put_in_comes_out(file: File, bolt_file: Make) -> None:
    """Keys, long values over several pages, nested and inline buckets."""
    tree = {b"a": {b"in": {b"k": b"v"}, b"long": b"x" * 9000}, b"b": b"", b"c": {b"one": b"1"}}
    view = Bolt(file.put(bolt_file(tree)))
    assert everything(view) == tree
    assert view.get((b"a", b"in"), b"k") == b"v"
    assert view.get((b"a",), b"none") is None
    assert view.get((b"a", b"none"), b"k") is None
    assert list(view.items((b"a",), limit=1)) == [(b"in", None)]


def test_the_newest_valid_meta_counts(file: File, bolt_file: Make) -> None:
    """Of two metas the later transaction is taken; a torn one is passed over; with none it is no Bolt file."""
    data = bytearray(bolt_file({b"k": b"v"}, 9))
    assert Bolt(file.put(bytes(data))).meta.txid == 9
    data[40] ^= 1
    assert Bolt(file.put(bytes(data))).meta.txid == 8
    data[4096 + 40] ^= 1
    with pytest.raises(FormatError):
        Bolt(file.put(bytes(data)))
    assert version(file.fd) is None


def test_an_answer_from_a_moving_file_does_not_count(file: File, bolt_file: Make) -> None:
    """When a transaction ended during the question it is asked again, and given up when that happens twice."""
    txid = 10
    file.put(bolt_file({b"k": b"old"}, txid))

    def moving(view: Bolt) -> bytes | None:
        nonlocal txid
        found = view.get((), b"k")
        if txid < last:
            txid += 1
            file.put(bolt_file({b"k": b"new"}, txid))
        return found

    last = 11
    assert ask(file.fd, moving) == b"new"
    last = 99
    assert ask(file.fd, moving) is None


def test_a_page_that_points_to_itself_ends(file: File, bolt_file: Make) -> None:
    """A branch whose child is the branch itself is refused after a bounded number of pages."""
    data = bytearray(bolt_file({b"k": b"v" * 5}))
    page = struct.pack("<QHHI", 3, 1, 1, 0) + struct.pack("<IIQ", 16, 1, 3) + b"k"
    data[3 * 4096 : 3 * 4096 + len(page)] = page
    view = Bolt(file.put(bytes(data)))
    with pytest.raises(FormatError):
        view.get((), b"k")
    with pytest.raises(FormatError):
        list(Bolt(file.fd).items(()))
    assert ask(file.fd, lambda view: view.get((), b"k")) is None
    assert MAX_PAGES < 10_000


@given(
    cut=st.integers(0, 7 * 4096),
    flips=st.lists(st.tuples(st.integers(2 * 4096, 7 * 4096 - 1), st.integers(1, 255)), max_size=8),
)
def test_damage_is_an_answer_or_our_error(file: File, bolt_file: Make, cut: int, flips: list[tuple[int, int]]) -> None:
    """A file cut short or with wrong bytes anywhere: what can be read, or FormatError."""
    data = bytearray(bolt_file({b"ctr": {b"i": {b"config": b"{}" * 3000, b"pod-id": b"p"}}, b"z": {b"k": b"v"}}))
    for at, mask in flips:
        if at < len(data):
            data[at] ^= mask
    fd = file.put(bytes(data[: max(cut, 8192)]))
    try:
        everything(Bolt(fd))
    except FormatError:
        pass
    ask(fd, everything)


@given(data=st.binary(max_size=200), at=st.sampled_from([0, 4096]))
def test_any_bytes_are_no_bolt_file_or_are(file: File, data: bytes, at: int) -> None:
    """Arbitrary bytes never raise anything else."""
    fd = file.put(b"\0" * at + data)
    assert version(fd) is None
    assert ask(fd, everything) is None
