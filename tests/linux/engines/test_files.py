"""The door: nothing outside the root, nothing that waits, nothing too large, nothing of another owner."""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.linux.engines.files import MAX_ENTRIES, MAX_FILE, Files, read_whole

SECRET = b"outside"


@pytest.fixture(params=[True, False], ids=["openat2", "walk"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """Both ways through the door, onto a tree with something outside it."""
    (tmp_path / "outside").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "run/a").mkdir(parents=True)
    (root / "run/a/state").write_bytes(b"inside")
    return Files(root, openat2=request.param)


def root_of(tmp_path: Path) -> Path:
    """The root that `door` is a door to."""
    return tmp_path / "root"


def same(data: bytes) -> bytes:
    """A parser that changes nothing."""
    return data


def test_reads_with_and_without_a_leading_slash(door: Files) -> None:
    """A path is taken from the root however it is written."""
    assert door.load("/run/a/state", same) == b"inside"
    assert door.load("run//a/./state", same) == b"inside"


@pytest.mark.parametrize("target", ["../../../outside", "../../../../../../../../outside", "{}/outside"])
def test_a_link_out_of_the_root_stays_inside(door: Files, tmp_path: Path, target: str) -> None:
    """Links are followed as if the root were /: they never reach what is outside."""
    (root_of(tmp_path) / "run/a/out").symlink_to(target.format(tmp_path))
    assert door.load("/run/a/out", same) is None
    assert door.load("/run/a/../../../outside", same) is None


def test_links_inside_the_root_are_followed(door: Files, tmp_path: Path) -> None:
    """A data root that is a link to another disk still works, absolute or relative."""
    root = root_of(tmp_path)
    (root / "absolute").symlink_to("/run/a")
    (root / "run/relative").symlink_to("../absolute/../a")
    assert door.load("/absolute/state", same) == b"inside"
    assert door.load("/run/relative/state", same) == b"inside"


def test_a_loop_of_links_ends(door: Files, tmp_path: Path) -> None:
    """Links that lead to each other are no file."""
    root = root_of(tmp_path)
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    assert door.load("/one", same) is None
    assert door.names("/one") == []


@pytest.mark.parametrize("target", ["/proc/self/root/etc/passwd", "/proc/self/fd/0", "/dev/zero"])
def test_magic_links_are_not_followed(door: Files, tmp_path: Path, target: str) -> None:
    """A link to /proc means the tree's own /proc, which is empty here."""
    (root_of(tmp_path) / "magic").symlink_to(target)
    assert door.load("/magic", same) is None


def test_what_is_no_file_is_refused_without_waiting(door: Files, tmp_path: Path) -> None:
    """A FIFO, a socket, a directory and a link to a FIFO give nothing, at once."""
    root = root_of(tmp_path)
    os.mkfifo(root / "fifo")
    (root / "to-fifo").symlink_to("fifo")
    # The path of a unix socket is short (108 bytes), and tmp_path may not be.
    here = os.open(root, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{here}/sock")
        done: list[object] = []

        def ask() -> None:
            done.extend(door.load(f"/{name}", same) for name in ("fifo", "to-fifo", "sock", "run"))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(5)
    os.close(here)
    assert done == [None] * 4


def test_too_large_is_refused_as_a_whole(door: Files, tmp_path: Path) -> None:
    """A file over the bound gives nothing, not its beginning; one of exactly the bound is read."""
    big = root_of(tmp_path) / "big"
    big.write_bytes(b"x" * 1000)
    assert door.load("/big", same, limit=999) is None
    assert door.load("/big", same, limit=1000) == b"x" * 1000
    with big.open("wb") as sparse:
        sparse.truncate(MAX_FILE + 1)
    assert door.load("/big", len) is None


def test_absent_and_impossible_paths_are_nothing(door: Files) -> None:
    """No path raises: absent, empty, with a NUL, too long, not encodable."""
    for path in ("/none", "", "/", "/run/a/state/below", "a\0b", "x" * 5000, "\ud800", "/run/" + "../" * 900):
        assert door.load(path, same) is None


@given(path=st.text(st.sampled_from("/.ab\0\u1234\ud800x"), max_size=60))
def test_no_path_raises_or_escapes(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    """Whatever the path, the answer is the file inside or nothing."""
    root = tmp_path_factory.mktemp("r")
    (root / "a").write_bytes(b"inside")
    for openat2 in (True, False):
        door = Files(root, openat2=openat2)
        assert door.load(path, same) in {None, b"inside"}
        door.close()


def test_a_change_is_seen_and_the_rest_is_not_read_again(door: Files, tmp_path: Path) -> None:
    """The same file is parsed once; a replaced, rewritten or removed one is parsed again or gone."""
    path = root_of(tmp_path) / "run/a/state"
    seen: list[bytes] = []

    def parse(data: bytes) -> bytes:
        seen.append(data)
        return data

    assert door.load("/run/a/state", parse) == door.load("/run/a/state", parse) == b"inside"
    assert seen == [b"inside"]
    fresh = path.with_suffix(".new")
    fresh.write_bytes(b"INSIDE")
    fresh.rename(path)
    assert door.load("/run/a/state", parse) == b"INSIDE"
    path.write_bytes(b"longer than before")
    assert door.load("/run/a/state", parse) == b"longer than before"
    path.unlink()
    assert door.load("/run/a/state", parse) is None
    assert len(seen) == 3


def test_a_file_that_changes_while_it_is_read_is_not_kept(door: Files, tmp_path: Path) -> None:
    """What was read during a write is used once, and read again."""
    path = root_of(tmp_path) / "run/a/state"
    calls = 0

    def parse(data: bytes) -> bytes:
        nonlocal calls
        calls += 1
        path.write_bytes(b"written meanwhile" if calls == 1 else data)
        return data

    assert door.load("/run/a/state", parse) == b"inside"
    assert door.load("/run/a/state", parse) == b"written meanwhile"


def test_another_owner_is_refused(door: Files) -> None:
    """A file speaks for its owner only; a tree unpacked by an ordinary user belongs to that user as a whole."""
    refused = door.load("/run/a/state", same, owner=12345) is None
    assert refused == (os.getuid() == 0)


def test_what_others_can_write_is_refused(door: Files, tmp_path: Path) -> None:
    """A state file that anyone may write says nothing, unless owners do not count in this tree."""
    path = root_of(tmp_path) / "run/a/state"
    path.chmod(0o646)
    assert door.load("/run/a/state", same) is None
    trusting = Files(root_of(tmp_path), owners=False)
    assert trusting.load("/run/a/state", same, owner=12345) == b"inside"


def test_a_directory_is_bounded_and_sorted(door: Files, tmp_path: Path) -> None:
    """Names come sorted, at most as many as asked for; what is no directory has none."""
    many = root_of(tmp_path) / "many"
    many.mkdir()
    for number in range(40):
        (many / f"{number:03}").touch()
    assert door.names("/many") == [f"{number:03}" for number in range(40)]
    assert len(door.names("/many", limit=7)) == 7
    assert MAX_ENTRIES >= 1024
    assert door.names("/run/a/state") == door.names("/none") == []


def test_after_close_nothing_is_read(door: Files) -> None:
    """A closed door gives nothing and can be closed again."""
    door.close()
    door.close()
    assert door.load("/run/a/state", same) is None


def test_no_descriptor_is_left_open(door: Files, tmp_path: Path) -> None:
    """Whatever comes of a read, its descriptors are given back."""
    root = root_of(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (the count, nothing else)
    for path in ("/run/a/state", "/none/x", "/loop", "/fifo", "/run", "/run/a/state/x"):
        door.load(path, same)
        door.names(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_an_unreadable_descriptor_is_nothing() -> None:
    """A read error is an answer, not an exception."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        Files(Path("/none-such"))
    fd = os.open("/", os.O_RDONLY)
    assert read_whole(fd, 10**9) is None
    os.close(fd)
