"""Our samples against the oracles: conservation, auparse's grouping, and what stock tools print."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import oracle_auparse as library  # noqa: E402
import oracle_conservation as conserve  # noqa: E402
import oracle_grouping as group  # noqa: E402
import oracle_tools as stock  # noqa: E402

pytestmark = pytest.mark.system

LOGS = [
    path for path in sorted((ROOT / "samples/linux").rglob("input.log*")) if "refused-interpreted" not in path.parts
]
CHOSEN = ("stock-s13", "stock-s06", "contid-g06-v6", "contid-g03-v11")
"""For the stock tools: raw, enriched (with LXC), a patched kernel's with CONTAINER_ID records, packets."""

SYSCALL = b"arch=c000003e syscall=59 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 items=0 ppid=1 pid=20 auid=0 uid=0 gid=0 "


def read(path: Path) -> bytes:
    """The bytes of a sample."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def line(kind: str, serial: int, body: bytes = b"a=b", *, ms: int = 0) -> bytes:
    """One record."""
    stamp = f"type={kind} msg=audit({1_700_000_000 + ms // 1000}.{ms % 1000:03d}:{serial}): "
    return stamp.encode() + body + b"\n"


def grouped(data: bytes, folder: Path) -> group.Grouping:
    """The comparison with auparse."""
    (folder / "audit.log").write_bytes(data)
    return group.grouping(data, library.groups_of(library.ask(folder / "audit.log")))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: str(path.parent.relative_to(ROOT / "samples/linux")))
def test_samples_are_grouped_as_auparse_groups_them(path: Path, tmp_path: Path) -> None:
    """Every event of a sample is auparse's event, or differs by a rule that is known and explains it exactly."""
    found = grouped(read(path), tmp_path)
    assert found.events
    assert found.unexplained == []


@pytest.mark.parametrize("path", LOGS, ids=lambda path: str(path.parent.relative_to(ROOT / "samples/linux")))
def test_samples_are_conserved(path: Path) -> None:
    """Every line of a sample leaves once and in its place, annotated by its real answers and everywhere.

    Of a long one the first 150 kB, which end in the middle of a line.
    """
    assert conserve.conservation(read(path)[:150_000]) == []


@pytest.mark.skipif(stock.find("ausearch") is None, reason="auditd is not installed")
@pytest.mark.parametrize("name", CHOSEN)
def test_stock_tools_agree_on_samples(name: str) -> None:
    """ausearch, aureport and auparse say the same of a sample annotated everywhere, known differences aside."""
    data = read(ROOT / "samples/linux" / name / "input.log")
    annotated, stats = conserve.annotate(data, everywhere=True)
    assert stats.annotated > stats.events * 0.9
    found = stock.tools(data, annotated)
    assert found.calls > 80
    assert found.unexplained == []
    assert not found.known


@pytest.mark.skipif(stock.find("ausearch") is None, reason="auditd is not installed")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"hostname=? addr=? terminal=? res=success' x=a,b", "aureport -h"),
        (b"hostname=? addr=? terminal=? res=success' contid=5 res=failed", "ausearch"),
    ],
)
def test_a_difference_of_the_stock_tools_is_seen(body: bytes, says: str) -> None:
    """Fields that change what a tool says are a difference that nothing explains."""
    head = b'pid=1 uid=0 auid=0 ses=1 msg=\'op=login acct="a" exe="/y" '
    plain = line("USER_LOGIN", 1, head + b"hostname=? addr=? terminal=? res=success'")
    found = stock.tools(plain, line("USER_LOGIN", 1, head + body), ("ausearch", "aureport", "auparse"))
    assert any(says in why for why in found.unexplained)
    assert not found.known


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([line("LOGIN", 1), line("SYSCALL", 1, SYSCALL), line("PROCTITLE", 1)], "user-space"),
        ([line("SYSCALL", 1, SYSCALL), line("CONTAINER_ID", 1), line("PROCTITLE", 1)], "unknown-name"),
        ([line("SYSCALL", 1, SYSCALL), line("PROCTITLE", 1), line("CWD", 1)], "after-end"),
        ([line("MAC_IPSEC_EVENT", 1), line("SYSCALL", 1, SYSCALL)], "own-event"),
        ([line("AVC", 1), line("AVC", 2, ms=2000), line("SYSCALL", 1, SYSCALL)], "timeout"),
        ([line("SYSCALL", 1, SYSCALL), line("PROCTITLE", 1), line("EOE", 1)], "eoe"),
        ([line("SYSCALL", 2, SYSCALL), b"Nov 22 host audispd: " + line("SYSCALL", 1, SYSCALL)], "text-before"),
        ([line("SYSCALL", 2, SYSCALL), b"Nov 22 11:09:08 web1 audispd: " + line("SYSCALL", 1, SYSCALL)], "other-node"),
        ([line("SYSCALL", 2, SYSCALL), b"node=Web A " + line("SYSCALL", 1, SYSCALL)], "other-node"),
        ([line("SYSCALL", 2, SYSCALL), b"type=SYSCALL msg=audit(1700000000:1): a=b\n"], "odd-head"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_known_difference_of_auparse_is_real(records: list[bytes], why: str, tmp_path: Path) -> None:
    """Each listed class happens with the library that is installed, and is recognised."""
    found = grouped(b"".join(records), tmp_path)
    assert found.unexplained == []
    assert set(found.known) == {why}
    assert why in group.KNOWN


def test_an_event_of_ours_that_auparse_has_otherwise_is_seen() -> None:
    """A difference that auparse's rules do not foretell is not explained away."""
    data = line("SYSCALL", 1, SYSCALL) + line("PROCTITLE", 1)
    key = group.Key(b"", 1_700_000_000_000, 1)
    assert group.grouping(data, {key: [2]}).unexplained == []
    assert group.grouping(data, {key: [1, 1]}).unexplained == [f"{key}: 1 of 2 records, auparse 2 of 1+1 records"]
    assert group.grouping(data, {}).unexplained == [f"{key}: 1 of 2 records, auparse no event"]


def test_a_hostile_log_has_no_other_differences(tmp_path: Path) -> None:
    """Broken heads, NUL, huge numbers and made-up nodes: what auparse does with them is foretold."""
    heads = (
        b"type=A msg=audit(): x", b"type=A msg=audit(1700000000.1234:4): x", b"node= type=AVC msg=audit(1.123:5): x",
        b"type=S\0S msg=audit(1700000000.123:6): x", b"type=AVC msg=audit(1700000000.123:18446744073709551616): x",
        b"noise type=AVC msg=audit(1700000000.123:8): x", b"# type=AVC msg=audit(1700000000.123:9): x",
        b"type=" + b"A" * 90 + b" msg=audit(1700000000.123:10): x", b"type=A  msg=audit(1700000000.123:11): x",
        b"msg=audit(1700000000.123:12): x", b"AVC audit(1700000000.123:13): x", b"type=AVC msg=audit(x.y:z): x",
        b"\0", b")",
    )  # fmt: skip
    data = b"\n".join((*heads, line("AVC", 3)))
    assert grouped(data, tmp_path).unexplained == []
    assert conserve.conservation(data) == []


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (b"type=A msg=audit(1.000:1): x\n", "2 lines came and 1 left"),
        (b"type=A msg=audit(1.000:1): x\ntype=A msg=audit(1.000:2): y contid=\n", "line 2"),
        (b"type=A msg=audit(1.000:1): x container_id=\"a\" contid=1\ntype=A msg=audit(1.000:2): y\n", "line 1"),
        (b"type=A msg=audit(1.000:1): contid=1 x\ntype=A msg=audit(1.000:2): y\n", "line 1"),
        (b"type=A msg=audit(1.000:2): y\ntype=A msg=audit(1.000:1): x\n", "line 1"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_conserved_is_seen(out: bytes, says: str) -> None:
    """A lost line, a wrong order, and fields that break the grammar or stand elsewhere are told."""
    data = b"type=A msg=audit(1.000:1): x\ntype=A msg=audit(1.000:2): y\n"
    found = list(conserve.changed(data, out))
    assert found
    assert says in found[0]


def test_our_fields_are_stripped_where_the_grammar_puts_them() -> None:
    """At the end of a line, before 0x1D, before a CR, and before what a terminal recorded; nowhere else."""
    fields = b' contid=3,^2 container_id="a" container_name=61 cont_how="cgroup"'
    for kind, before, after in (
        (b"SYSCALL", b"a=b", b""),
        (b"SYSCALL", b"a=b", b'\x1dUID="root"'),
        (b"SYSCALL", b"a=b", b"\r"),
        (b"TTY", b"a=b", b" data=616263"),
    ):
        head = b"type=" + kind + b" msg=audit(1.000:1): " + before
        assert conserve.strip(head + fields + after) == head + after
    kept = b"type=SYSCALL msg=audit(1.000:1): a=b" + fields + b" c=d"
    assert conserve.strip(kept) == kept
