"""Rules of what a run may know from outside its log: a journal names what the log cannot; nothing is asked unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from annotator.core.errors import StoreError, UsageError
from annotator.core.model import Status
from annotator.core.registry import Registry
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.host_context import load_context
from annotator.engine.input_check import blocks_of
from annotator.engine.observation_log import Journaling, Loaded
from annotator.engine.replay import Replay
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from annotator.storage.format import Header
from tests import scoring
from tests.recorder import Recorded
from tests.scoring import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.core.contracts import HostProcess
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Attribution, Event, Translation

pytestmark = pytest.mark.system

LIVE = sorted(one.name for one in SAMPLES.glob("live-*"))
STOCK = sorted(one.name for one in SAMPLES.glob("stock-*"))
BOOT = "8d0b1bd1-0000-4000-8000-000000000001"


class Writing(Observations):
    """Takes what a recording tells, and writes it as a live run would have."""

    def __init__(self, journal: Journaling) -> None:
        super().__init__(Registry())
        self.journal = journal

    def forked(self, node: bytes, parent: int, child: int, ms: float) -> None:
        """A birth."""
        self.journal.forked(parent, child, int(ms * 1_000_000))

    def executed(self, node: bytes, pid: int, ms: float) -> None:
        """A program."""
        self.journal.executed(pid, int(ms * 1_000_000))

    def exited(self, node: bytes, pid: int, ms: float) -> None:
        """An end."""
        self.journal.exited(pid, int(ms * 1_000_000))

    def observed(self, node: bytes, seen: HostProcess) -> None:
        """A look."""
        self.journal.observed(node, seen)


def journal_of(case: str, path: Path, node: bytes = b"") -> Path:
    """The recording beside a sample, as a journal."""
    journaling = Journaling(path, Header(node, BOOT, 1_700_000_000_000_000_000, 100))
    Recorded(SAMPLES / case, Writing(journaling))
    journaling.close()
    return path


def answers(case: str, journal: Path) -> tuple[scoring.Capture, dict[tuple[int, int], Attribution]]:
    """A sample replayed with a journal."""
    capture = scoring.load(case)
    given: dict[tuple[int, int], Attribution] = {}

    def watch(event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:
        if answer.status is not Status.NONE:
            given[event.stamp.ms, event.stamp.serial] = answer

    replay = Replay(Options(format="none", journals=(journal,)), observer=watch)
    log = journal.with_name("input.log")
    log.write_bytes(b"\n".join([*capture.lines, b""]))
    for block in blocks_of([str(log)]):
        replay.feed(block)
    replay.finish()
    return capture, given


@pytest.mark.parametrize("case", STOCK)
def test_with_a_journal_all_is_named_and_nothing_wrongly(case: str, tmp_path: Path) -> None:
    """Also what began before the log: s06 (started before its rules), s13 (containers older than the log).

    One event of s04 is unknown: its call waited for 5 s, so that its stamp lies before its process's own birth.
    """
    capture, given = answers(case, journal_of(case, tmp_path / "journal"))
    count = scoring.Counter[str]()
    for key, fact in capture.truth.items():
        count[scoring.verdict(fact, given.get(key), by_contid=capture.by_contid)] += 1
    assert scoring.bad(count) == 0, count
    assert scoring.share(count) >= 0.997, count


@pytest.mark.parametrize("case", LIVE)
def test_a_live_recording_is_answered_from_its_journal(case: str, tmp_path: Path) -> None:
    """What our plugin wrote while a log was recorded (scripts/capture-sample) answers the log as it did then."""
    journal = tmp_path / "journal"
    journal.write_bytes(scoring.text_of(SAMPLES / case, "journal"))
    capture, given = answers(case, journal)
    count = scoring.Counter[str]()
    for key, fact in capture.truth.items():
        count[scoring.verdict(fact, given.get(key), by_contid=capture.by_contid)] += 1
    assert scoring.bad(count) == 0, count
    assert scoring.share(count) >= 0.997, count


def test_a_journal_is_for_the_node_it_was_written_on(tmp_path: Path) -> None:
    """That of another host is refused, and says what to give."""
    path = journal_of("stock-s13", tmp_path / "journal", b"here")
    stats = Stats()
    for node in (b"here", b""):
        Loaded(Observations(Registry(), programs=KINDS), stats).load(path, node)
    assert stats == Stats(), "nothing of it was left out"
    with pytest.raises(StoreError, match="of node 'here'"):
        Loaded(Observations(Registry(), programs=KINDS), stats).load(path, b"there")


def test_without_being_told_nothing_is_known() -> None:
    """The default of a replay."""
    assert load_context(Registry(), "none", (), "") is None


def test_a_host_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A folder without a recorded tree."""
    with pytest.raises((UsageError, StoreError)):
        load_context(Registry(), str(tmp_path / "nowhere"), (), "")


GUARDED = """
import sys, os

def guard(event, args):
    if event in ("open", "os.listdir", "os.scandir", "os.readlink") and args and isinstance(args[0], (str, bytes)):
        path = os.fsdecode(args[0])
        if path == "/proc" or path.startswith("/proc/"):
            raise RuntimeError("opened " + path)

from annotator.cli.main import main
import annotator.engine.replay, annotator.engine.host_context, annotator.history
sys.addaudithook(guard)
sys.argv = ["annotator", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize("with_journal", [False, True])
def test_a_replay_never_opens_this_machine_s_proc(tmp_path: Path, *, with_journal: bool) -> None:
    """Every open, listing and link of the interpreter is watched while it replays a log."""
    log = tmp_path / "input.log"
    log.write_bytes(scoring.text_of(SAMPLES / "stock-s13", "input.log"))
    extra = ["--journal", str(journal_of("stock-s13", tmp_path / "journal"))] if with_journal else []
    command = [sys.executable, "-c", GUARDED, "replay", "--format", "json", *extra, str(log)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    said: list[dict[str, Any]] = [json.loads(line)["provenance"] for line in done.stdout.splitlines()]
    named = sum(one["status"] == "container" for one in said)
    assert named > 70 if with_journal else len(said) > 200


def test_the_guard_of_that_test_works(tmp_path: Path) -> None:
    """Asked to look at this machine, it does, and is caught."""
    log = tmp_path / "input.log"
    log.write_bytes(scoring.text_of(SAMPLES / "stock-s13", "input.log"))
    command = [sys.executable, "-c", GUARDED, "replay", "--host", "live", str(log)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode != 0
    assert b"opened /proc" in done.stderr
