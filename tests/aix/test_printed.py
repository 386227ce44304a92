"""Text trails as they come: values wider than their columns, lost columns, syslog in between, damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annotator.aix.auditpr import AuditprParser
from annotator.aix.record import Form, Passed, Record, wpar_name
from annotator.core.errors import FormError
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.io.sources import Block

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLES = Path(__file__).parents[2] / "samples" / "aix"
CASES = sorted(path.name for path in SAMPLES.glob("printed-*"))
WIDTHS = (15, 8, 11, 24, 31, 25)
TITLES = b"".join(
    b" ".join(word.ljust(width) for word, width in zip(words, WIDTHS, strict=True)).rstrip() + b"\n"
    for words in (
        (b"event", b"login", b"status", b"time", b"command", b"wpar name"),
        tuple(b"-" * width for width in WIDTHS),
    )
)


def replayed(data: bytes, **given: Any) -> tuple[list[dict[str, Any]], Stats]:
    """The documents of a trail, and what was counted."""
    stats = Stats()
    run = Replay(Options(format="json", system="aix", **given), stats=stats)
    return [json.loads(line) for line in fed(run, data).splitlines()], stats


def fed(run: Replay, data: bytes) -> bytes:
    """What comes out of a run over one file; an empty file has no block."""
    blocks = [Block(data.removesuffix(b"\n"), "trail", len(data), data.endswith(b"\n"))] if data else []
    return b"".join([*map(run.feed, blocks), run.finish()])


def raw(data: bytes) -> bytes:
    """What the raw form gives."""
    return fed(Replay(Options(system="aix")), data)


def names(documents: Iterable[dict[str, Any]]) -> list[str]:
    """Where each event was: a WPAR's name, or the status."""
    return [one.get("container", {}).get("name") or one["provenance"]["status"] for one in documents]


@pytest.mark.parametrize("case", CASES)
def test_samples(case: str) -> None:
    """Each gives what is expected of it, and raw gives each line back in its place."""
    data = (SAMPLES / case / "input.txt").read_bytes()
    documents, _ = replayed(data)
    assert documents == [json.loads(line) for line in (SAMPLES / case / "expected.json").read_text().splitlines()]
    lines = raw(data).split(b"\n")
    assert len(lines) == len(data.split(b"\n"))
    assert all(
        after.startswith(before.removesuffix(b"\r")) for before, after in zip(data.split(b"\n"), lines, strict=True)
    )


def test_what_cannot_be_read_is_rejected_and_in_no_tail() -> None:
    """A date that does not exist, and columns in another order: two heads and their tails are counted."""
    documents, stats = replayed((SAMPLES / "printed-damaged" / "input.txt").read_bytes())
    assert names(documents) == ["webapp", "webapp"]
    assert [one["aix_audit"]["record"]["tail"] for one in documents] == ["filename /tmp/a", "filename /tmp/b"]
    assert stats.rejected == 4
    assert stats.has_loss


def test_a_wide_command_makes_no_wpar_sure() -> None:
    """Blanks in a command that is too wide cannot be told from the column's end: its WPAR is none, or tentative."""
    head = b"FILE_Unlink     root     OK          Mon Mar 02 10:15:01 2026 %b\n"
    documents, _ = replayed(TITLES + head % (b"x" * 33 + b" db    webapp                    "))
    assert names(documents) == ["unknown"]


def test_a_loose_line_names_a_wpar_that_is_known(tmp_path: Path) -> None:
    """Without titles and columns a last word is a WPAR only where a listing has one of that name."""
    listing = tmp_path / "lswpar.txt"
    listing.write_text("Name    State  Type  Hostname  Directory  RootVG WPAR\n" + "-" * 60 + "\n"
                       "webapp  A      S     webapp    /wpars/webapp  no\n")  # fmt: skip
    data = (
        b"FILE_Unlink appusr OK Mon Mar 02 10:15:02 2026 rm appusr\n"
        b"FILE_Unlink appusr OK Mon Mar 02 10:15:03 2026 rm webapp\n"
    )
    assert names(replayed(data)[0]) == ["unknown", "unknown"]
    assert names(replayed(data, wpars=((str(listing), None),))[0]) == ["unknown", "webapp"]


def test_titles_hold_for_lines_whose_blanks_were_collapsed() -> None:
    """Titles that say `wpar name` name it, where the number of words is that of the columns; else nothing does."""
    data = (
        b"event login status time command wpar name\n----- ----- ------ ---- ------- ---------\n"
        b"FILE_Unlink root OK Mon Mar 02 10:15:02 2026 rm webapp\n"
        b"FILE_Unlink root OK Mon Mar 02 10:15:03 2026 my prog webapp\n"
    )
    documents, _ = replayed(data)
    assert names(documents) == ["webapp", "unknown"]
    assert {one["aix_audit"]["record"]["form"] for one in documents} == {"loose"}


def test_columns_are_given_by_hand() -> None:
    """Without titles (auditpr -t0) `--columns` says what stands where."""
    head = b"%-15b %-8b %-11b %-24b %-31b %-8b %-25b \n"
    line = head % (b"FILE_Unlink", b"root", b"OK", b"Mon Mar 02 10:15:02 2026", b"rm", b"9437658", b"webapp")
    (document,) = replayed(line + b"        filename /tmp/x\n", columns="e,l,R,t,c,p,W")[0]
    assert document["process"]["pid"] == 9437658
    assert names([document]) == ["webapp"]
    assert document["aix_audit"]["record"]["fields"] == {"filename": "/tmp/x"}


def test_nothing_recognised_is_an_error() -> None:
    """Lines, and no record in them: an error, in raw too; an empty file and titles alone are none."""
    with pytest.raises(FormError, match="no audit record was recognised in its 2 lines"):
        replayed(b"something\nelse\n")
    with pytest.raises(FormError, match="no audit record was recognised"):
        raw(b"something\nelse\n")
    assert replayed(b"")[0] == replayed(TITLES)[0] == []


def test_other_programs_lines_in_a_syslog_file() -> None:
    """They are in no tail, and keep their place; so does syslogd's word on repeated lines."""
    prefix = b"Mar  2 10:15:03 aix1 local7:info root: "
    foreign = (
        b"Mar  2 10:15:03 aix1 auth|security:info sshd[123]: FILE_Unlink root OK Mon Mar 02 10:15:02 2026 rm webapp\n",
        b"Mar  2 10:15:04 aix1 last message repeated 2 times\n",
        b"no prefix at all\n",
    )
    head = b"FILE_Unlink     root     OK          Mon Mar 02 10:15:01 2026 rm                              webapp\n"
    trail = [prefix + line + b"\n" for line in TITLES.splitlines()] + [prefix + head]
    data = b"".join([*trail, *foreign, prefix + b"        filename /tmp/x\n"])
    (document,) = replayed(data)[0]
    assert document["aix_audit"]["record"]["fields"] == {"filename": "/tmp/x"}
    out = raw(data)
    assert out.count(b"\n") == data.count(b"\n")
    assert all(line in out for line in foreign)


@pytest.mark.parametrize("case", ["printed-syslog-local", "printed-syslog-forwarded"])
def test_a_relayed_trail_is_recognised_and_names_its_node(case: str) -> None:
    """`--system auto` knows it behind syslog's prefix, and the host that the prefix names is the node."""
    data = (SAMPLES / case / "input.txt").read_bytes()
    run = Replay(Options(format="json"))
    documents = [json.loads(line) for line in fed(run, data).splitlines()]
    assert len(documents) > 1
    assert {one["host"]["name"] for one in documents} == {"aix1"}


def test_messages_of_auditpr_are_in_no_tail() -> None:
    """Between records, within a tail, and before the first record."""
    parser = AuditprParser()
    message = b"auditpr: invalid record found, skipping"
    head = b"FILE_Unlink     root     OK          Mon Mar 02 10:15:01 2026 rm                              webapp"
    lines = [message, *TITLES.splitlines(), head, b"        filename /tmp", message, b"/x"]
    pieces = [*parser.feed(lines), *parser.flush()]
    assert next(one for one in pieces if isinstance(one, Passed)).lines == (message,)
    (record,) = [one for one in pieces if isinstance(one, Record)]
    assert record.tail == b"filename /tmp\n/x"
    assert message in record.lines
    assert record.form is Form.COLUMNS


@pytest.mark.parametrize("name", [b"web_app-1", b"a.example", b"7", b"x" * 25, b"Global"])
def test_names_that_mkwpar_accepts(name: bytes) -> None:
    """They are names of WPARs."""
    assert wpar_name(name) == name


@pytest.mark.parametrize(
    "name", [b"", b"a=b", b'"q"', b"-n", b"0x", b"a/b", b"a b", "wéb".encode(), b"x" * 26, b"a,b", b"x\x7f"]
)
def test_names_that_mkwpar_refuses(name: bytes) -> None:
    """They are none, whichever column they stand in."""
    assert wpar_name(name) is None
