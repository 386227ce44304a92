"""Rules of journals as they are written: a full disk costs what it refused and no more; no gap is papered over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotator.core.contracts import HostProcess
from annotator.core.errors import StoreError
from annotator.core.lifetimes import ProcessLifetime, ProcessTable
from annotator.core.model import Actor, Container, ContId, Evidence, Stamp
from annotator.core.registry import Registry
from annotator.core.stats import Stats
from annotator.engine.observation_log import Journaling, Loaded
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from annotator.storage.format import Header
from annotator.storage.journal import journal_files

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.system

HEADER = Header(b"here", "8d0b1bd1-0000-4000-8000-000000000001", 0, 100)
INSIDE = Container(ContId(7), "c" * 64)
MS = 1_000_000


def seen(pid: int, ms: int, start_ms: int, container: Container | None = INSIDE) -> HostProcess:
    """One look."""
    evidence = Evidence.CGROUP if container is not None else Evidence.HOST_VIEW
    return HostProcess(
        pid=pid, ppid=1, start_ms=start_ms, ticks=start_ms // 10, read_ms=ms, container=container, evidence=evidence
    )


def loaded(path: Path) -> tuple[Observations, Stats]:
    """What a replay knows of it."""
    stats = Stats()
    observations = Observations(Registry(), programs=KINDS)
    Loaded(observations, stats).load(path, b"")
    return observations, stats


def life(pid: int, ms: int) -> ProcessLifetime:
    """As the log shows it, with a parent that no look had."""
    return ProcessTable().see(b"", Actor(pid, 1), Stamp(ms, 1))


def is_inside(observations: Observations, pid: int, ms: int) -> bool:
    """Whether that process is said to be in the container then."""
    stay = observations.look(life(pid, ms), Stamp(ms, 1)).residence
    return stay is not None and stay.container is not None


def test_who_was_not_seen_again_is_not_believed_to_have_gone_on(tmp_path: Path) -> None:
    """Between two runs nobody saw who ended, and whose pid was given to another."""
    path = tmp_path / "journal"
    first = Journaling(path, HEADER)
    for pid in (50, 60):
        first.observed(b"", seen(pid, 1000, 900))
    first.close()
    second = Journaling(path, HEADER)
    second.observed(b"", seen(60, 5000, 900))
    second.close()
    observations, stats = loaded(path)
    assert (stats.facts_skipped, stats.store_cut_bytes) == (0, 0)
    assert is_inside(observations, 50, 1000)
    assert not is_inside(observations, 50, 3000), "it may have been another process by then"
    assert is_inside(observations, 60, 3000), "it was the same one before and after"
    assert is_inside(observations, 60, 6000)


def test_of_other_nodes_nothing_is_known(tmp_path: Path) -> None:
    """A log of several machines: a pid of the journal's is another process elsewhere."""
    path = tmp_path / "journal"
    journaling = Journaling(path, Header(b"web1.example.com", HEADER.boot, 0, 100))
    journaling.observed(b"", seen(50, 1000, 900))
    journaling.close()
    observations, _ = loaded(path)
    for node, inside in ((b"", True), (b"web1.example.com", True), (b"web1", True), (b"web2", False)):
        one = ProcessTable().see(node, Actor(50, 1), Stamp(1000, 1))
        assert (observations.look(one, Stamp(1000, 1)).residence is not None) is inside, node


class Refusing:
    """A disk that is full when it is told so."""

    def __init__(self, journaling: Journaling, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        real = journaling.journal._write

        def write(data: bytes) -> None:
            if self.full:
                raise StoreError("No space left on device")
            real(data)

        monkeypatch.setattr(journaling.journal, "_write", write)


def test_a_full_disk_is_survived_counted_and_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost is lost; when there is room again, all that lives is asked for, and what lies between is a gap."""
    path = tmp_path / "journal"
    stats, told = Stats(), list[str]()
    journaling = Journaling(path, HEADER, stats, told.append)
    disk = Refusing(journaling, monkeypatch)
    assert not journaling.observed(b"", seen(50, 1000, 900))
    journaling.flush()
    disk.full = True
    for round_ in range(3):
        journaling.exited(50, (1100 + round_) * MS)
        journaling.flush()
    assert told == ["No space left on device"]
    assert stats.store_failed >= 3
    disk.full = False
    assert journaling.observed(b"", seen(60, 2000, 1900)), "tell again what lives"
    journaling.flush()
    assert not journaling.observed(b"", seen(61, 2100, 1900)), "once"
    journaling.close()
    observations, _ = loaded(path)
    assert not is_inside(observations, 50, 1500), "its end was lost"
    assert is_inside(observations, 60, 2000)
    disk.full = True
    assert told == ["No space left on device"]


def test_one_fact_that_cannot_be_stored_costs_itself_alone(tmp_path: Path) -> None:
    """A container within containers without end."""
    stats = Stats()
    journaling = Journaling(tmp_path / "journal", HEADER, stats)
    deep = INSIDE
    for _ in range(80):
        deep = Container(ContId(7), "d" * 64, parent=deep)
    assert not journaling.observed(b"", seen(49, 1000, 900, deep))
    assert not journaling.observed(b"", seen(50, 1000, 900))
    journaling.close()
    assert stats.store_failed == 1
    observations, _ = loaded(tmp_path / "journal")
    assert is_inside(observations, 50, 1000)


def test_a_journal_is_bounded_by_size_and_age(tmp_path: Path) -> None:
    """All its files together take no more room than they may, and what is too old goes."""
    path = tmp_path / "journal"
    kept = Journaling(path, HEADER, max_bytes=200_000, max_age_s=1000)
    for pid in range(1, 9000):
        kept.forked(pid, pid + 1, 10**18 + pid)
    kept.flush()
    files = journal_files(path)
    assert len(files) == 2
    assert sum(one.stat().st_size for one in files) <= 200_000
    now = files[0].stat().st_mtime
    kept.journal.expire(now + 999)
    assert journal_files(path) == files
    kept.journal.expire(now + 1001)
    assert journal_files(path) == [path]
    kept.close()
