"""`annotator.Stream`: bytes in, annotated bytes out, and a state from which any machine goes on."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annotator
from annotator.core.stats import Stats
from annotator.engine import host_context
from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.io.sources import Block
from annotator.storage import state as state_format
from annotator.storage.format import Entry, Header
from tests.scoring import SAMPLES, text_of
from tests.streams import damaged, joined

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMS: tuple[annotator.StreamForm, ...] = get_args(annotator.StreamForm)
LOGS = ("stock-s02", "stock-s09", "contid-g06-v11", "contid-g06-v6")
EVENT = (
    b"type=SYSCALL msg=audit(1700000000.000:1): arch=c000003e syscall=1 pid=7\n"
    b"type=PROCTITLE msg=audit(1700000000.000:1): proctitle=61\n"
)
READERS_BOOT = "0b0b0b0b-1111-4222-8333-444444444444"


def at_once(data: bytes, form: annotator.StreamForm) -> bytes:
    """What a stream gives that never stops."""
    stream = annotator.Stream(node="web1", form=form)
    return stream.feed(data) + stream.finish()


def moved(data: bytes, form: annotator.StreamForm, cuts: Iterable[int]) -> bytes:
    """The same, with another stream after each cut, which has nothing but the state."""
    stream, out, last = annotator.Stream(node="web1", form=form), [], 0
    for cut in sorted(cuts):
        out.append(stream.feed(data[last:cut]))
        stream = annotator.Stream(node="web1", form=form, state=stream.state())
        last = cut
    return b"".join((*out, stream.feed(data[last:]), stream.finish()))


# --- the same bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", LOGS)
def test_a_stream_gives_what_a_replay_gives(case: str, form: annotator.StreamForm) -> None:
    """However the bytes were cut."""
    data = text_of(SAMPLES / case, "input.log")
    run = Replay(Options(format=form, node="web1"), stats=Stats())
    expected = run.feed(Block(data[:-1], "log", len(data))) + run.finish()
    assert at_once(data, form) == expected
    stream = annotator.Stream(node="web1", form=form)
    out = b"".join(stream.feed(data[start : start + 777]) for start in range(0, len(data), 777))
    assert out + stream.finish() == expected
    assert stream.counts["lines"] == data.count(b"\n")


@given(data=st.data())
@settings(max_examples=60)
@pytest.mark.parametrize("form", FORMS)
def test_a_recorded_log_may_move_anywhere(form: annotator.StreamForm, data: st.DataObject) -> None:
    """In mid-line, before the first line, after the last: the bytes of one uninterrupted stream."""
    log = text_of(SAMPLES / data.draw(st.sampled_from(LOGS)), "input.log")
    log = log[: data.draw(st.integers(0, 60_000))]
    cuts = data.draw(st.lists(st.integers(0, len(log)), max_size=5))
    assert moved(log, form, cuts) == at_once(log, form)


@given(lines=damaged(), cuts=st.lists(st.integers(0, 20_000), max_size=6), form=st.sampled_from(FORMS))
def test_a_damaged_log_may_move_anywhere(lines: list[bytes], cuts: list[int], form: annotator.StreamForm) -> None:
    """Lines mixed, cut, doubled, lost, and noise between them."""
    data = joined(lines)
    cuts = [min(cut, len(data)) for cut in cuts]
    try:
        expected = at_once(data, form)
    except annotator.FormError:
        with pytest.raises(annotator.FormError):
            moved(data, form, cuts)
        return
    assert moved(data, form, cuts) == expected


@pytest.mark.parametrize("form", FORMS)
def test_each_day_may_end(form: annotator.StreamForm) -> None:
    """`finish`, and the next day from its state: who is where is still known, in a log that began yesterday.

    The day ends between two events: `finish` decides one that is cut in two without its other half, so that an exec
    there is one whose record was lost, and a lost record takes answers away.
    """
    data = text_of(SAMPLES / "stock-s02", "input.log")
    half = data.index(b"type=SYSCALL", len(data) // 2)
    today = annotator.Stream(node="web1", form=form)
    out = today.feed(data[:half]) + today.finish()
    assert today.finish() == b""
    tomorrow = annotator.Stream(node="web1", form=form, state=today.state())
    out += tomorrow.feed(data[half:]) + tomorrow.finish()
    known = tomorrow.counts["container"]
    anew = annotator.Stream(node="web1", form=form)
    anew.feed(data[half:])
    anew.finish()
    assert known > anew.counts["container"] + 30
    with pytest.raises(annotator.UsageError, match="has ended"):
        tomorrow.feed(b"")
    if form == "raw":
        assert out.count(b"\n") == data.count(b"\n")


def test_a_last_line_without_newline_leaves_without_one() -> None:
    """Also when it was the state that kept it."""
    data = text_of(SAMPLES / "stock-s02", "input.log")[:5000].rpartition(b"\n")[0]
    assert not at_once(data, "raw").endswith(b"\n")
    assert moved(data, "raw", [len(data) - 3]) == at_once(data, "raw")


def test_idle_lets_leave_what_is_whole() -> None:
    """At once what is probably whole, the rest after 2 s."""
    torn = b"type=SYSCALL msg=audit(1700000000.000:2): arch=c000003e syscall=1 pid=7\n"
    stream = annotator.Stream()
    assert stream.feed(EVENT) == b""
    assert stream.idle(0).count(b"\n") == 1
    assert stream.feed(torn) + stream.idle(0) == b""
    assert json.loads(stream.idle(2000))["event"]["sequence"] == 2
    assert stream.finish() == b""


# --- what comes in ----------------------------------------------------------------------------------------------------


def test_what_is_no_stream_of_records_is_refused_however_it_is_cut() -> None:
    """Interpreted output, an AIX trail; output of ausearch is put in order."""
    wrong = (
        (b"type=LOGIN msg=audit(11/21/2026 21:48:38.593:1874) : pid=7 uid=root res=yes\n" * 3, "interpreted"),
        ((SAMPLES.parent / "aix" / "auditpr-default" / "input.txt").read_bytes(), "AIX"),
    )
    for data, word in wrong:
        for size in (1, 20, len(data)):
            stream = annotator.Stream()
            with pytest.raises(annotator.FormError, match=word):
                b"".join(stream.feed(data[at : at + size]) for at in range(0, len(data), size)) + stream.finish()
    first, second = EVENT.splitlines()
    printed = b"----\ntime->Sat Nov 21 21:48:36 2026\n" + second + b"\n" + first + b"\n"
    assert moved(printed, "json", [3, 40, 100]) == at_once(printed, "json")
    assert moved(printed, "raw", [3, 40, 100]) == printed
    records = json.loads(at_once(printed, "json"))["auditd"]["records"]
    assert [record["type"] for record in records] == ["SYSCALL", "PROCTITLE"]


def test_lines_before_the_first_record_wait_for_it() -> None:
    """But no more than 64 KiB of them; then they are what they are: lines that leave as they came."""
    stream = annotator.Stream(form="raw")
    assert stream.feed(b"noise\n" * 100) == b""
    state = stream.state()
    rest = b"more\n" * 20_000
    assert stream.feed(rest) + stream.finish() == b"noise\n" * 100 + rest
    again = annotator.Stream(form="raw", state=state)
    assert again.feed(rest) + again.finish() == b"noise\n" * 100 + rest


def test_options_that_cannot_be_are_refused() -> None:
    """With those there are."""
    with pytest.raises(annotator.UsageError, match="xml") as caught:
        annotator.Stream(form="xml")  # type: ignore[arg-type]
    assert "msgpack" in caught.value.advice


# --- whose state it is ------------------------------------------------------------------------------------------------


def half_a_log(form: annotator.StreamForm = "json") -> tuple[annotator.Stream, bytes]:
    """A stream in the middle of a log, and what is to come."""
    data = text_of(SAMPLES / "stock-s02", "input.log")
    stream = annotator.Stream(node="web1", form=form)
    stream.feed(data[: len(data) // 2])
    return stream, data[len(data) // 2 :]


@pytest.mark.parametrize("form", FORMS)
def test_a_state_goes_on_on_another_machine(
    form: annotator.StreamForm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another boot, name and zone of the reader change nothing, and nothing of the first reader is in the state."""

    def machine(name: str, boot: str, zone: str) -> None:
        (tmp_path / name).write_text(boot)
        monkeypatch.setattr(host_context, "BOOT_ID", tmp_path / name)
        monkeypatch.setattr(socket, "gethostname", lambda: name)
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    machine("reader-one", READERS_BOOT, "Asia/Tokyo")
    assert host_context.boot_id() == READERS_BOOT
    stream, rest = half_a_log(form)
    expected = half_a_log(form)[0]
    state = stream.state()
    assert state == expected.state(), "the same of the same"
    for trace in (READERS_BOOT.encode(), b"reader-one", b"Tokyo", str(SAMPLES.parents[1]).encode()):
        assert trace not in state
    machine("reader-two", "99999999-1111-4222-8333-444444444444", "America/Lima")
    other = annotator.Stream(node="web1", form=form, state=state)
    assert other.state() == state
    out = other.feed(rest) + other.finish()
    assert out == expected.feed(rest) + expected.finish()
    assert other.counts["container"] > 50
    monkeypatch.undo()
    time.tzset()


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_state_is_refused(at: int, bit: int) -> None:
    """One bit, or the end cut off: never half a state. The error says what to do."""
    state = bytearray(STATE)
    state[at % len(state)] ^= 1 << bit
    for broken in (bytes(state), STATE[: at % len(STATE)]):
        with pytest.raises(annotator.StoreError) as caught:
            annotator.Stream(node="web1", state=broken)
        assert "stream state" in caught.value.what
        assert caught.value.advice


STATE = half_a_log()[0].state()


def entries(*own: Entry) -> bytes:
    """A state with these entries in place of those that are the stream's."""
    header, kept = state_format.unpack_state(STATE, "state")
    return state_format.pack_state(header, [*own, *(one for one in kept if one.kind != "stream")], "state")


@pytest.mark.parametrize(
    ("state", "options", "word", "advice"),
    [
        (STATE, {"node": "web2"}, "of node 'web1', and this is 'web2'", "state file of its own"),
        (STATE, {"form": "raw"}, "form='json', and this has 'raw'", "state=None"),
        (b"{}", {}, "does not begin as", "without it"),
        (b"", {}, "does not begin as", "without it"),
        (entries(), {}, "not of a stream", "state=None"),
        (entries(Entry(0, 0, "stream", {"form": 7})), {}, "not of a stream", "state=None"),
        (entries(Entry(0, 0, "stream", {"version": 2})), {}, "version 2 is newer", "newer program"),
        (
            entries(
                Entry(0, 0, "stream", {"version": 1, "form": "json"}), Entry(0, 0, "pending", {"data": 1})
            ),
            {},
            "has no bytes",
            "state=None",
        ),
        (
            state_format.pack_state(Header(b"web1", "", 0, 100, {}, 9), [], "state"), {}, "version 9 is newer",
            "newer program",
        ),
    ],
    ids=["node", "form", "foreign", "empty", "replay", "made up", "newer stream", "made up line", "newer format"],
)  # fmt: skip
def test_a_state_of_something_else_is_refused(state: bytes, options: dict[str, Any], word: str, advice: str) -> None:
    """It says of what it is, and what to do."""
    with pytest.raises(annotator.StoreError, match=word) as caught:
        annotator.Stream(**{"node": "web1", "state": state, **options})
    assert advice in caught.value.advice
