"""A run that is saved anywhere and goes on gives the bytes of one that never stopped; a broken state is refused."""

from __future__ import annotations

import dataclasses
import lzma
from collections import deque
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.core.answers import AnswerCache
from annotator.core.corroboration import Corroboration, Shown
from annotator.core.errors import StoreError
from annotator.core.lifetimes import ForkHint, Node, ProcessLifetime, ProcessTable
from annotator.core.lifetimes.table import TableState
from annotator.core.membership import Membership, Occupants
from annotator.core.membership.state import MembershipCounts
from annotator.core.model import OWN_SESSION, Attribution, Container, Event, Stamp
from annotator.core.registry import Containers, Registry
from annotator.core.residence import MembershipState
from annotator.core.stats import Stats
from annotator.engine.factory import Options, form_of
from annotator.engine.pipeline import Pipeline, Tables
from annotator.events import EventAssembler, Serials, StreamClock
from annotator.formats import json
from annotator.formats.raw import Raw
from annotator.formats.record import Record
from annotator.io.sources import Position
from annotator.linux.backend import Linux
from annotator.storage.checkpoint_restore import restore
from annotator.storage.checkpoint_rows import ROWS, VERSION
from annotator.storage.checkpoint_save import save
from annotator.storage.format import Entry, Header
from annotator.storage.state import load_state, save_state
from tests.streams import WORLDS, damaged, riffled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

pytestmark = pytest.mark.system

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
HEADER = Header(b"web1", "11111111-2222-3333-4444-555555555555", 1_700_000_000_000_000_000, 100, {"pid": 4026531836})
HERE = Position(2049, 131_073, 77)
CASES = (
    "stock-s02", "stock-s04", "stock-s09", "contid-g06-v11", "contid-g06-v6", "contid-g06-v9", "contid-g11-v11",
)  # fmt: skip


class Json:
    """The form that leaves event by event."""

    ordered = False
    shows_parents = False

    def __init__(self, backend: Linux) -> None:
        self.interpret = backend.interpreter(resolve_users=False)

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One line."""
        return json.encode(json.document(event, answer, self.interpret(event), node=event.node, original=True))


FORMS: dict[str, Callable[[Linux, Stats], Any]] = {
    "raw": lambda backend, stats: Raw(backend, stats, mark_unknown=True),
    "record": Record,
    "json": lambda backend, _: Json(backend),
    "quick raw": lambda backend, stats: form_of(Options(), backend, stats),
    "quick json": lambda backend, stats: form_of(Options(format="json", node="here"), backend, stats),
}


def begin(form: str = "raw") -> Pipeline:
    """A new run that knows nothing."""
    backend, stats = Linux(), Stats()
    return Pipeline(backend, FORMS[form](backend, stats), stats)


def whole(lines: Sequence[bytes], form: str = "raw", cuts: Iterable[int] = ()) -> bytes:
    """What a run gives that never stops. `cuts` are where its blocks end."""
    pipeline, out, last = begin(form), [], 0
    for cut in (*sorted(cuts), len(lines)):
        out.append(pipeline.feed(list(lines[last:cut])))
        last = cut
    return b"".join(out) + pipeline.finish()


class Stopped(NamedTuple):
    """What left before and after the stops, and the runs."""

    out: bytes
    runs: list[Pipeline]


def stopped(lines: Sequence[bytes], cuts: Iterable[int], path: Path, form: str = "raw") -> Stopped:
    """The same lines, with a save, and a restore into a run that knows nothing, before each of the cuts."""
    path.unlink(missing_ok=True)
    runs, out, last = [begin(form)], [], 0
    for cut in sorted(cuts):
        out.append(runs[-1].feed(list(lines[last:cut])))
        save(path, HEADER, runs[-1].tables, runs[-1].grouper, HERE)
        runs.append(begin(form))
        assert restore(path, HEADER, runs[-1].tables, runs[-1].grouper) == HERE
        last = cut
    out += [runs[-1].feed(list(lines[last:])), runs[-1].finish()]
    return Stopped(b"".join(out), runs)


def sample(case: str) -> list[bytes]:
    """The lines of a recorded log."""
    plain, packed = SAMPLES / case / "input.log", SAMPLES / case / "input.log.xz"
    data = plain.read_bytes() if plain.exists() else lzma.decompress(packed.read_bytes())
    return data.removesuffix(b"\n").split(b"\n")


# --- the same bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_a_recorded_log_may_stop_anywhere(case: str, form: str, tmp_path: Path) -> None:
    """One cut at a time, and several in one log, give the bytes of one run."""
    lines = sample(case)
    random = Random(f"{case} {form}")
    expected = whole(lines, form)
    several = sorted(random.randrange(len(lines)) for _ in range(12))
    assert stopped(lines, several, tmp_path / "state", form).out == expected
    for cut in several[::6]:
        assert stopped(lines, [cut], tmp_path / "state", form).out == expected


def test_a_log_may_stop_after_each_line(tmp_path: Path) -> None:
    """Every line of a log can be the last before a stop."""
    lines = sample("contid-g06-v11")[:260]
    ran = stopped(lines, range(len(lines)), tmp_path / "state")
    assert ran.out == whole(lines)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stream_may_stop_anywhere(form: str, data: st.DataObject, tmp_path: Path) -> None:
    """Mixed, damaged and hostile streams too. That the ends of blocks change nothing is another test's."""
    lines = data.draw(
        st.one_of(
            damaged(),
            st.builds(lambda world, picks: riffled(world.told, picks), WORLDS, st.lists(st.integers(0, 3), max_size=9)),
        )
    )
    cuts = data.draw(st.lists(st.integers(0, len(lines)), max_size=5))
    assert stopped(lines, cuts, tmp_path / "state", form).out == whole(lines, form, cuts)


@given(lines=damaged(), cut=st.integers(0, 400))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counts_of_each_run_add_up(lines: list[bytes], cut: int, tmp_path: Path) -> None:
    """Lines that waited are those a first run holds, and count as read by the second."""
    first, second = stopped(lines, [min(cut, len(lines))], tmp_path / "state").runs
    assert first.stats.check(held_lines=first.grouper.held_lines) == []
    assert second.stats.check() == []
    assert second.grouper.held_lines == 0


# --- the same state ---------------------------------------------------------------------------------------------------

CACHES = {"at", "answer_at", "at_itself", "in_network", "source"}
"""What is rebuilt when it is asked for, or follows from the answer."""


BY_IDENTITY = (
    AnswerCache,
    MembershipState,
    ProcessLifetime,
    ForkHint,
    Node,
    Container,
    Containers,
    Occupants,
    ProcessTable,
    Registry,
    Membership,
    Corroboration,
    Shown,
)
"""Objects that are compared with `is`, or changed in place; all else is a value."""


def picture(root: object) -> list[tuple[object, ...]]:
    """All objects below, each once, with what they refer to as numbers in the order of finding."""
    numbers = {id(root): 0}
    waiting = deque([root])

    def show(value: object) -> object:
        if isinstance(value, BY_IDENTITY):
            if id(value) not in numbers:
                numbers[id(value)] = len(numbers)
                waiting.append(value)
            return numbers[id(value)]
        if isinstance(value, dict):
            return [(show(key), show(inner)) for key, inner in value.items()]
        if isinstance(value, (list, tuple)):
            return [show(inner) for inner in value]
        if dataclasses.is_dataclass(value):
            return [show(getattr(value, one.name)) for one in dataclasses.fields(value)]
        return value

    found: list[tuple[object, ...]] = []
    while waiting:
        at = waiting.popleft()
        names: Iterable[str] = getattr(type(at), "__slots__", None) or vars(at)
        found.append((type(at), *(show(getattr(at, name)) for name in names if name not in CACHES)))
    return found


@pytest.mark.parametrize("case", CASES)
def test_everything_is_there_again(case: str, tmp_path: Path) -> None:
    """After a restore tables are the same graph of objects, and a second save gives the same file."""
    lines = sample(case)
    first, second = begin(), begin()
    first.feed(lines[: Random(case).randrange(len(lines) // 2, len(lines))])
    save(tmp_path / "one", HEADER, first.tables, first.grouper, HERE)
    restore(tmp_path / "one", HEADER, second.tables, second.grouper)
    save(tmp_path / "two", HEADER, second.tables, second.grouper, HERE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    ours, theirs = picture(first.tables.membership), picture(second.tables.membership)  # it has the others
    assert len(ours) == len(theirs)
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == []


OWN_ROWS = {
    Node: {"now", "past", "hints"},
    Containers: {"by_contid", "by_id", "remembered"},
    Occupants: {"members"},
    AnswerCache: {"source", "at", "answer_at", "at_itself", "below", "in_network"},
    ProcessLifetime: set(),
    ForkHint: set(),
    MembershipState: set(),
    Container: set(),
    Shown: set(),
}
"""What the classes of the state leave out: it has rows of its own, or is worked out anew. All else is saved."""


@pytest.mark.parametrize("kind", OWN_ROWS, ids=lambda kind: kind.__name__)
def test_a_field_is_saved_unless_its_class_says_otherwise(kind: type) -> None:
    """A new field of the state is declared in its class, and nowhere else."""
    left_out = {one.name for one in dataclasses.fields(kind) if not one.metadata.get("saved", True)}
    assert left_out == OWN_ROWS[kind]


SAVED: dict[type, set[str]] = {
    StreamClock: {"now", "_doubt", "_doubts"},
    Serials: {"first", "highest", "latest", "low", "_gaps"}
    | {"returns", "_before", "_mixed_at", "_ms"},  # for a warning at the end of a run
    Event: {"key", "node", "stamp", "at", "seen", "held", "closed", "reversed", "dropped", "splits"}
    | {"_text", "_pieces", "_lines", "_size", "lines", "pieces", "text", "size"}  # saved as lines
    | {"complete", "foretold", "reading", "titled"}  # the last two come again when it is read
    | {"late_for"},  # such a record is saved as what leaves in any case
    Tables: {"processes", "registry", "membership"},
    ProcessTable: {"nodes", "max_lives", "keep_all", *TableState._fields},
    Registry: {"nodes", "max_containers", "version"},
    Membership: {"processes", "registry", "inside", "unsure", "support", *MembershipCounts._fields}
    | {"strict"}  # a setting of the run
    | {"clients"},  # follows from the lives' commands
    Corroboration: {"known"},
    EventAssembler: {"clock", "open", "runs", "recent", "serials", "_current", "_checked_ms", "_second", "_ms", "_next"}
    | {"queue", "_before"}
    | {"_held"}  # follows from others
    | {"is_ready"}  # the pipeline's
    | {"completes", "stats", "timeout_ms", "max_open", "max_records", "max_lines"}
    | {"ordered", "reversed_records", "is_lost", "on_late"}
    | {"relays", "file_node"},  # a state is of one file
}
"""What has been thought of, by the classes that save themselves by `state()` and `load()`."""

STATELESS = {"attributor", "recorder", "_observations"}
"""Of the tables: holds nothing, or what comes again from the host or its journal."""


@pytest.mark.parametrize("kind", SAVED, ids=lambda kind: kind.__name__)
def test_no_part_of_the_state_is_forgotten(kind: type) -> None:
    """Who adds an attribute to such a class says here that its state has it, or needs not."""
    tables = Tables()
    made = {
        Event: Event(b"", b"", Stamp(0, 0), b""), Tables: tables, ProcessTable: tables.processes,
        Registry: tables.registry, Membership: tables.membership, Corroboration: tables.membership.support,
        EventAssembler: EventAssembler({}, Stats()),
    }  # fmt: skip
    names = getattr(kind, "__slots__", None) or vars(made[kind])
    here = {*names, *(name for name, value in vars(Event).items() if kind is Event and not callable(value))}
    assert {name for name in here if not name.startswith("__")} - STATELESS == SAVED[kind]


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    """A state of an older or a newer program is not half used; the message says so."""
    path = tmp_path / "state"
    saved(path)
    found = load_state(path)
    assert found is not None
    entries = found[1]
    assert entries[0] == Entry(0, 0, "version", {"number": VERSION})
    for foreign in (entries[1:], [Entry(0, 0, "version", {"number": VERSION + 1}), *entries[1:]], []):
        save_state(path, HEADER, foreign)
        pipeline = begin()
        with pytest.raises(StoreError, match="another version"):
            restore(path, HEADER, pipeline.tables, pipeline.grouper)
        assert untouched(pipeline)


def test_one_object_stays_one(tmp_path: Path) -> None:
    """Containers are compared by identity, and so is the session of what a container's init started."""
    pipeline, other = begin(), begin()
    pipeline.feed(sample("contid-g11-v11"))
    save(tmp_path / "state", HEADER, pipeline.tables, pipeline.grouper, None)
    assert restore(tmp_path / "state", HEADER, other.tables, other.grouper) is None
    lives = [life for node in other.tables.processes.nodes.values() for life in node.now.values()]
    known = {id(one) for node in other.tables.registry.nodes.values() for one in node.remembered}
    held = [one for life in lives for one in life.membership.residences if one.container is not None]
    assert held
    assert all(id(one.container) in known for one in held)
    assert all(one.session is OWN_SESSION for one in held if one.session == OWN_SESSION)


# --- what is hard to store --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["raw", "json"])
@pytest.mark.parametrize(
    "lines",
    {
        "a line longer than a row": [
            b"type=SYSCALL msg=audit(1700000000.123:1): pid=1 x=" + b"a" * (1 << 20),
            b"noise",
        ],
        "numbers beyond 64 bits": [
            b"type=USER_CMD msg=audit(1700000000.123:99999999999999999999): pid=99999999999999999999 uid=0 auid=1",
            b"type=SYSCALL msg=audit(1700000000.123:99999999999999999990): a",
            b"type=PATH msg=audit(1700000000.123:7): a",
        ],
        "more resumptions than a list may have": [
            b"type=PATH msg=audit(1700000000.123:%d): item=%d" % (n % 2, n) for n in range(17_000)
        ],
        "a path of a megabyte": [
            b"type=SYSCALL msg=audit(1700000000.123:1): arch=c000003e syscall=59 success=yes exit=0 a0=0 a1=0 a2=0 a3=0"
            b' items=0 ppid=1 pid=2 auid=0 uid=0 gid=0 tty=pts0 ses=1 comm="a" exe="'
            + b"x" * (1 << 20)
            + b'" key=(null)',
            b"type=PROCTITLE msg=audit(1700000000.123:1): proctitle=41",
            b"type=PATH msg=audit(1700000000.123:2): a",
        ],
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_large_is_kept(lines: tuple[str, list[bytes]], form: str, tmp_path: Path) -> None:
    """Nothing a log can hold keeps the run from being saved."""
    for cut in {1, len(lines[1]) // 2, len(lines[1])}:
        assert stopped(lines[1], [cut], tmp_path / "state", form).out == whole(lines[1], form)


@pytest.mark.parametrize(
    "line",
    [b"type=ABCDE", b"type=SYSCALL msg=audit(): a", b"type=EOE msg=audit(1700000000.123:" + b"9" * 5000 + b"): "],
    ids=["no stamp", "an empty stamp", "a number without end"],
)
def test_a_line_that_names_no_event_waits_for_none(line: bytes, tmp_path: Path) -> None:
    """It is taken for a record of the event before neither in one run nor after a stop, and it is never lost."""
    lines = [line, b"type=USER_AUTH msg=audit(1700000000.123:1): pid=1", b"noise", line, line]
    assert whole(lines) == b"".join(one + b"\n" for one in lines)
    for cut in range(len(lines) + 1):
        assert stopped(lines, [cut], tmp_path / "state").out == whole(lines)


# --- whose state it is ------------------------------------------------------------------------------------------------


def saved(path: Path, form: str = "raw") -> Pipeline:
    """A run in the middle of a log, saved."""
    pipeline = begin(form)
    pipeline.feed(sample("stock-s02")[:1500])
    save(path, HEADER, pipeline.tables, pipeline.grouper, HERE)
    return pipeline


def untouched(pipeline: Pipeline) -> bool:
    """Whether it knows nothing yet."""
    tables = pipeline.tables
    return not (tables.processes.nodes or tables.registry.nodes or tables.membership.inside or pipeline.grouper.runs)


def test_no_state_yet(tmp_path: Path) -> None:
    """The first start finds nothing, and that is no error."""
    pipeline = begin()
    assert restore(tmp_path / "state", HEADER, pipeline.tables, pipeline.grouper) is None
    assert untouched(pipeline)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"node": b"web2"}, "node"), ({"ticks_per_second": 250}, "clock"), ({"namespaces": {"pid": 1}}, "namespaces")],
    ids=str,
)
def test_the_state_of_another_machine_is_refused(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    """The message says whose it is, and nothing of it is used."""
    saved(tmp_path / "state")
    pipeline = begin()
    with pytest.raises(StoreError, match=word):
        restore(tmp_path / "state", dataclasses.replace(HEADER, **change), pipeline.tables, pipeline.grouper)
    assert untouched(pipeline)


@pytest.mark.parametrize(("was", "now"), [("raw", "json"), ("json", "raw")])
def test_the_state_of_another_kind_of_form_is_refused(was: str, now: str, tmp_path: Path) -> None:
    """Lines that wait to leave in order have no place in a form by event, and the other way round."""
    saved(tmp_path / "state", was)
    pipeline = begin(now)
    with pytest.raises(StoreError, match="a run that wrote"):
        restore(tmp_path / "state", HEADER, pipeline.tables, pipeline.grouper)
    assert untouched(pipeline)


def test_after_a_boot_nothing_lives_but_the_lines_still_leave(tmp_path: Path) -> None:
    """Lives and containers have ended, which is said; what waited leaves, and where reading goes on is known."""
    lines = sample("stock-s02")
    first, second = begin(), begin()
    out = first.feed(lines[:1501])
    waiting = first.grouper.held_lines
    save(tmp_path / "state", HEADER, first.tables, first.grouper, HERE)
    told: list[str] = []
    header = dataclasses.replace(HEADER, boot="99999999-2222-3333-4444-555555555555")
    assert restore(tmp_path / "state", header, second.tables, second.grouper, tell=told.append) == HERE
    assert waiting
    assert len(told) == 1
    assert "another boot" in told[0]
    assert not second.tables.processes.nodes[b""].now
    assert second.tables.processes.nodes[b""].boot == header.boot
    containers = second.tables.registry.nodes[b""]
    assert containers.remembered
    assert not containers.by_id
    assert not containers.by_contid
    assert all(one.end_ms is not None for one in containers.remembered)
    out += second.finish()
    assert out.count(b"\n") == 1501


# --- what is broken ---------------------------------------------------------------------------------------------------


def test_a_damaged_state_is_never_used(tmp_path: Path) -> None:
    """A byte changed, or the file cut, wherever it is: an error that names the file, and nothing of it is used."""
    path = tmp_path / "state"
    saved(path)
    data = path.read_bytes()
    random = Random(4)
    pipeline = begin()
    for at in {*range(24), *(random.randrange(len(data)) for _ in range(60)), len(data) - 1}:
        for broken in (data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :], data[:at]):
            path.write_bytes(broken)
            with pytest.raises(StoreError, match="state"):
                restore(path, HEADER, pipeline.tables, pipeline.grouper)
    assert untouched(pipeline)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.sampled_from([-1, 0, 1, 2, 5, 4000]),
    st.text(max_size=4), st.binary(max_size=4), st.lists(st.integers(-2, 9), max_size=5), st.just({}),
    st.just({"ms": -5, "serial": 2**64 - 1}),
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_made_up_state_is_refused_or_runs(data: st.DataObject, tmp_path: Path) -> None:
    """Whatever a sound file says, it is refused, with nothing changed, or the run goes on without a fault."""
    path = tmp_path / "state"
    lines = sample("contid-g06-v11")
    first = begin()
    first.feed(lines[:401])
    save(path, HEADER, first.tables, first.grouper, HERE)
    found = load_state(path)
    assert found is not None
    entries = found[1]
    for _ in range(data.draw(st.integers(1, 4))):
        entry = data.draw(st.sampled_from(entries))
        at = entries.index(entry)
        body = dict(entry.body)
        what = data.draw(st.integers(0, 3))
        if what == 0:
            del entries[at]
        elif what == 1:
            entries.insert(at, entry)
        elif body and what == 2:
            body.pop(data.draw(st.sampled_from(sorted(body))))
            entries[at] = Entry(0, 0, entry.kind, body)
        elif body:
            body[data.draw(st.sampled_from(sorted(body)))] = data.draw(VALUES)
            entries[at] = Entry(0, 0, entry.kind, body)
    save_state(path, HEADER, entries)
    second = begin()
    try:
        restore(path, HEADER, second.tables, second.grouper)
    except StoreError:
        assert untouched(second)
        return
    second.feed(lines[401:600])
    second.finish()


@pytest.mark.parametrize("kind", ROWS, ids=lambda row: row.__name__)
def test_a_row_that_is_missing_or_foreign_is_refused(kind: type, tmp_path: Path) -> None:
    """A row of a kind that this version does not know, or without what it needs, is not half used."""
    path = tmp_path / "state"
    version = Entry(0, 0, "version", {"number": VERSION})
    save_state(path, HEADER, [version, Entry(0, 0, f"x{kind.__name__}", {})])
    pipeline = begin()
    with pytest.raises(StoreError, match="not usable"):
        restore(path, HEADER, pipeline.tables, pipeline.grouper)
    save_state(path, HEADER, [version, Entry(0, 0, kind.__name__.lower(), {})])
    with pytest.raises(StoreError, match="not usable"):
        restore(path, HEADER, pipeline.tables, pipeline.grouper)


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    """A save that fails changes nothing."""
    path = tmp_path / "state"
    pipeline = saved(path)
    data = path.read_bytes()
    (tmp_path / "state.new").mkdir()
    with pytest.raises(StoreError):
        save(path, HEADER, pipeline.tables, pipeline.grouper, HERE)
    assert path.read_bytes() == data


def test_a_state_too_large_to_be_read_is_not_written(tmp_path: Path) -> None:
    """What `load_state` would refuse is said when it is saved, and the state before stays."""
    path = tmp_path / "state"
    saved(path)
    data = path.read_bytes()
    large = Entry(0, 0, "x", dict.fromkeys("abc", b"x" * (1 << 18)))
    with pytest.raises(StoreError, match="longer"):
        save_state(path, HEADER, (large for _ in range(400)))
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]
