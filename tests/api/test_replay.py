"""`annotator.replay`: the events of a log with where they happened, as values that nothing changes afterwards."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import pickle
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

import annotator
from annotator import api
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.replay import Replay
from annotator.storage.format import Header
from annotator.storage.journal import Journal
from tests.scoring import SAMPLES, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOGS = ("stock-s02", "stock-s04", "contid-g06-v11", "contid-g06-v6", "constructed-strange")
TRAILS = sorted((SAMPLES.parent / "aix").glob("*/input.*"))
RECORD = b"type=USER_LOGIN msg=audit(1700000000.000:%d): pid=7 uid=0 auid=5 ses=1 msg='op=login res=success'\n"


def printed(data: bytes, path: Path, form: str, **options: Any) -> bytes:
    """What the command writes of the same log."""
    path.write_bytes(data)
    run = Replay(Options(format=form, **options), stats=Stats())
    return b"".join(map(run.feed, blocks_of([str(path)]))) + run.finish()


@pytest.mark.parametrize("case", LOGS)
def test_an_event_says_what_the_forms_say(case: str, tmp_path: Path) -> None:
    """`to_dict` is the JSON form, `raw` has the lines of the raw form, `records` those of the input."""
    data = text_of(SAMPLES / case, "input.log")
    events = list(annotator.replay(data, node="web1"))
    lines = printed(data, tmp_path / "log", "json", node="web1").splitlines()
    assert [event.to_dict() for event in events] == [json.loads(line) for line in lines]
    assert events
    into = set(data.split(b"\n"))
    assert all(record in into for event in events for record in event.records)
    out = printed(data, tmp_path / "log", "raw", node="web1").split(b"\n")
    own = [line for event in events for line in event.raw.split(b"\n")]
    assert len(own) > 0.8 * len(out)
    assert set(own) <= set(out)


@pytest.mark.parametrize("path", TRAILS, ids=lambda path: path.parent.name)
def test_a_trail_of_aix_too(path: Path, tmp_path: Path) -> None:
    """Its records are events; one that is binary takes no fields, and says so."""
    data = path.read_bytes()
    try:
        expected = printed(data, tmp_path / "trail", "json", node="p9")
    except annotator.AnnotatorError as err:
        with pytest.raises(type(err)):
            list(annotator.replay(data, node="p9"))
        return
    events = list(annotator.replay(data, node="p9"))
    assert [event.to_dict() for event in events] == [json.loads(line) for line in expected.splitlines()]
    for event in events[:20]:
        if b"\0" in event.records[0]:
            with pytest.raises(annotator.FormError):
                _ = event.raw
        else:
            assert event.raw.endswith(b"\n")


def test_attributions_have_what_the_command_shows() -> None:
    """Container, chain, session, evidence; a host event has none."""
    events = list(annotator.replay(text_of(SAMPLES / "stock-s02", "input.log")))
    inside = [event.attribution for event in events if event.attribution.container is not None]
    assert {one.container.id for one in inside if one.container} == {"runc-a-ENRICHED", "runc-b-ENRICHED"}
    assert {one.status for one in inside} == {annotator.Status.CONTAINER}
    assert all(one.chain == one.chains[0] and one.evidence and one.reason is None for one in inside)
    entered = {one.session.how for one in inside if one.session is not None and one.session.id != "0"}
    assert entered == {"runc exec"}
    others = [event.attribution for event in events if event.attribution.container is None]
    assert all(not one.chains and (one.reason or one.status is annotator.Status.HOST) for one in others)
    first = events[0]
    assert first.time is not None
    assert round(first.time.timestamp() * 1000) == first.time_ms
    assert f":{first.serial}): ".encode() in first.records[0]


def test_values_stay_as_they_were_given() -> None:
    """What is learnt later, as names, changes no event that was given before; nothing can be assigned."""
    at_once = [
        (event, event.raw, event.to_dict()) for event in annotator.replay(text_of(SAMPLES / "stock-s04", "input.log"))
    ]
    for event, raw, document in at_once:
        assert (event.raw, event.to_dict()) == (raw, document)
    event = at_once[-1][0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.serial = 1  # type: ignore[misc]
    document = event.to_dict()
    document["event"]["action"] = "changed"
    assert event.to_dict() != document


def test_names_that_are_learnt_later_do_not_reach_back() -> None:
    """A container of which only the contid is known has no name in the events before the name came."""
    from annotator.core import model
    from annotator.engine.snapshots import Snapshots

    container = model.Container(model.ContId(7), id="abc")
    answer = model.Attribution(model.Status.CONTAINER, (container.chain(),))
    snapshots = Snapshots()
    before, inner = snapshots.of(answer)
    container.name, container.version = "web", container.version + 1
    after, _ = snapshots.of(answer)
    assert before.container is not None
    assert after.container is not None
    assert (before.container.name, after.container.name) == ("", "web")
    assert inner.chains[0][0].name == ""
    assert snapshots.of(answer)[0] is after, "copied once for each change"


def test_events_can_be_sent_to_another_process() -> None:
    """As a pool of processes does."""
    events = list(annotator.replay(text_of(SAMPLES / "stock-s02", "input.log")))
    back: list[annotator.AnnotatedEvent] = pickle.loads(pickle.dumps(events))
    assert back == events
    assert [event.to_dict() for event in back] == [event.to_dict() for event in events]


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut in mid-line."""
    for start in range(0, len(data), 997):
        yield data[start : start + 997]


@pytest.mark.parametrize(
    "source",
    [
        lambda data, path: str(path),
        lambda data, path: path,
        lambda data, path: [path],
        lambda data, path: bytearray(data),
        lambda data, path: memoryview(data),
        lambda data, path: pieces(data),
        lambda data, path: io.BytesIO(data),
        lambda data, path: [data],
        lambda data, path: [path.with_name("audit.log"), path.with_name("audit.log.1.gz")],
    ],
    ids=["name", "path", "paths", "bytearray", "memoryview", "pieces", "file", "list", "rotated"],
)
def test_a_log_comes_in_many_ways(source: Callable[[bytes, Path], Any], tmp_path: Path) -> None:
    """The events are the same; a rotated set is put in order, and may be packed."""
    data = text_of(SAMPLES / "stock-s02", "input.log")
    path = tmp_path / "whole.log"
    path.write_bytes(data)
    half = data.index(b"\n", len(data) // 2) + 1
    path.with_name("audit.log.1.gz").write_bytes(gzip.compress(data[:half]))
    path.with_name("audit.log").write_bytes(data[half:])
    assert list(annotator.replay(source(data, path))) == list(annotator.replay(data))


def test_nothing_of_nothing() -> None:
    """An empty log has no events."""
    assert list(annotator.replay(b"")) == []
    assert list(annotator.replay([])) == []


def test_a_log_without_end_is_read_as_far_as_it_is_asked() -> None:
    """Memory does not grow with the log: it is read while one iterates."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield RECORD % taken

    assert len(list(islice(annotator.replay(endless()), 100))) == 100
    assert taken < 120


def test_strict_ends_with_an_error_after_all_events() -> None:
    """Only when it was asked for, and only when something was lost."""
    complete = b"".join(RECORD % serial for serial in range(1, 5))
    torn = complete + b"type=USER_LOGIN msg=audit(17000000 torn\n"
    assert len(list(annotator.replay(complete, strict=True))) == 4
    assert len(list(annotator.replay(torn))) == 4
    events = annotator.replay(torn, strict=True)
    assert len(list(islice(events, 4))) == 4
    with pytest.raises(annotator.LossError, match="rejected=1"):
        next(events)


def test_errors_come_from_the_public_tree(tmp_path: Path) -> None:
    """What a caller gave is wrong: which error, and when."""
    with pytest.raises(annotator.UsageError, match="system"):
        annotator.replay(b"", system="plan9")
    with pytest.raises(annotator.UsageError, match="cannot be read"):
        annotator.replay(b"", host=tmp_path / "nowhere")
    with pytest.raises(annotator.StoreError, match="nowhere"):
        annotator.replay(b"", journal=tmp_path / "nowhere")
    with pytest.raises(annotator.SourceError, match="nowhere"):
        list(annotator.replay(tmp_path / "nowhere"))
    with pytest.raises(annotator.SourceError, match="compressed"):
        list(annotator.replay(gzip.compress(RECORD % 1)))
    with pytest.raises(annotator.FormError, match="interpreted"):
        list(annotator.replay(b"type=LOGIN msg=audit(11/21/2026 21:48:38.593:1874) : pid=7 uid=root res=yes\n"))
    for wrong in (io.StringIO("type="), [1, 2]):
        with pytest.raises(TypeError, match="bytes"):
            annotator.replay(wrong)  # type: ignore[arg-type]
    for name in api.__all__:
        value = getattr(api, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, annotator.AnnotatorError)


def test_a_journal_of_another_host_is_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    Journal(tmp_path / "journal", Header(b"web2", "", 0, 100)).close()
    with pytest.raises(annotator.StoreError, match="of node 'web2'"):
        annotator.replay(b"", node="web1", journal=tmp_path / "journal")


def test_what_is_public_is_written_down() -> None:
    """The package gives exactly what `annotator.api` gives, and its version; each has a docstring."""
    assert set(annotator.__all__) == {*api.__all__, "__version__"}
    assert set(annotator.__all__) <= set(dir(annotator))
    for name in api.__all__:
        assert getattr(annotator, name) is getattr(api, name)
        assert name == "StreamForm" or getattr(api, name).__doc__
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = annotator.nothing_of_this_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["annotator", "annotator.plugin.reader.reader", "annotator.cli.main"])
def test_the_api_costs_nothing_where_it_is_not_used(module: str) -> None:
    """Neither the package nor the plugin nor the command imports it at its start."""
    code = f"import sys, {module}; sys.exit('annotator.api' in sys.modules or 'annotator.aix.backend' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
