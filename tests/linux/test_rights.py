"""Who may register, by files under `proc`: all of one process, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.linux.host.capabilities import INITIAL_USER_NS, Rights, rights, start_ticks

ALL = "000001ffffffffff"


def process(root: Path, pid: int, *, caps: str = ALL, space: str = INITIAL_USER_NS, ticks: int = 500) -> Path:
    """What the kernel shows of a process."""
    proc = root / "proc" / str(pid)
    (proc / "ns").mkdir(parents=True)
    (proc / "stat").write_text(f"{pid} (a) b) S 1 {' '.join(['0'] * 17)} {ticks} 0 0\n", "ascii")
    (proc / "status").write_text(
        f"Name:\ta\nCapInh:\t{ALL}\nCapPrm:\t{ALL}\nCapEff:\t{caps}\nCapBnd:\t{ALL}\n", "ascii"
    )
    (proc / "ns/user").symlink_to(space)
    return proc


@pytest.mark.parametrize(
    ("caps", "space", "may"),
    [
        (ALL, INITIAL_USER_NS, True),
        (f"{1 << 30:016x}", INITIAL_USER_NS, True),
        (f"{(1 << 41) - 1 - (1 << 30):016x}", INITIAL_USER_NS, False),
        ("0", INITIAL_USER_NS, False),
        (ALL, "user:[4026532000]", False),
    ],
)
def test_it_takes_the_capability_and_the_first_user_namespace(tmp_path: Path, caps: str, space: str, may: bool) -> None:
    """CAP_AUDIT_CONTROL that is effective; root of a user namespace of its own has all and may nothing."""
    process(tmp_path, 7, caps=caps, space=space)
    assert rights(tmp_path, 7) == Rights(500, may)


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """Gone, or half of it, or no such text."""
    proc = process(tmp_path, 7)
    assert rights(tmp_path, 8) is None
    (proc / "status").write_text("CapEff:\tmany\n", "ascii")
    assert rights(tmp_path, 7) is None
    (proc / "status").write_text("Name:\tno capabilities\n", "ascii")
    assert rights(tmp_path, 7) == Rights(500, may_register=False)
    (proc / "stat").write_text("7 (a) S", "ascii")
    assert rights(tmp_path, 7) is None


def test_a_pidfd_of_another_or_ended_process_says_nothing(tmp_path: Path) -> None:
    """The pid may have been given away since it asked: its pidfd tells (-1: ended)."""
    process(tmp_path, 7)
    info = tmp_path / "proc/self/fdinfo"
    info.mkdir(parents=True)
    for text, known in (("Pid:\t7\n", True), ("Pid:\t-1\n", False), ("Pid:\t8\n", False), ("flags:\t0\n", False)):
        (info / "5").write_text(f"pos:\t0\n{text}", "ascii")
        assert (rights(tmp_path, 7, 5) is not None) is known
    assert rights(tmp_path, 7, 6) is None


@given(st.binary(max_size=200))
def test_any_stat_is_a_number_or_our_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    """Field 22 is found behind the last bracket, or it is a ValueError."""
    proc = tmp_path_factory.mktemp("proc")
    (proc / "stat").write_bytes(text)
    try:
        start_ticks(proc)
    except ValueError:
        return


def test_our_own_rights() -> None:
    """On this machine: our start time, and with a pidfd the same."""
    found = rights(Path("/"), os.getpid())
    assert found is not None
    fd = os.pidfd_open(os.getpid())
    try:
        assert rights(Path("/"), os.getpid(), fd) == found
    finally:
        os.close(fd)
