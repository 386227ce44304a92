"""Rules of annotator.linux.cgroup.identify: which container a text of /proc/PID/cgroup names, and what it never may."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.linux.cgroup.identify import (
    MAX_TEXT,
    CgroupContainer,
    CgroupIdentity,
    CgroupRole,
    identify,
)

SAMPLES = Path(__file__).parents[2] / "samples" / "linux" / "cgroup" / "cases.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in SAMPLES.read_text("utf-8").splitlines()]
ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def container(form: dict[str, Any] | None) -> CgroupContainer | None:
    """The noun of a JSON form; what the form leaves out is the default."""
    return CgroupContainer(**{**form, "role": CgroupRole(form.get("role", "container"))}) if form else None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_table(case: dict[str, Any]) -> None:
    """Every engine's cgroup texts give the container, what is around it, and nothing more than the table says."""
    want = dict(case["expect"])
    host = want.pop("host")
    want["container"] = container(want.get("container"))
    want["workload"] = container(want.get("workload"))
    want["outer"] = tuple(container(form) for form in want.get("outer", []))
    options = {key: case[key] for key in ("zombie", "reader_root") if key in case}
    found = identify(case["text"].encode(), **options)
    assert found == CgroupIdentity(**want)
    assert found.host == host


def test_every_case_has_a_source() -> None:
    """The table says of each text where it is from."""
    assert all(case["source"] and case["kind"] in ("recorded", "public", "form") for case in CASES)


def shown(text: bytes) -> str:
    """All that an answer may be made of: the text, as it is and with systemd's escapes undone."""
    undone = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text)
    both = text.decode("utf-8", "backslashreplace") + "\n" + undone.decode("utf-8", "backslashreplace")
    return both + "\n" + both.replace("_", "-")


def texts(identity: CgroupIdentity) -> list[str]:
    """Every identifier and name in an answer."""
    nouns = [identity.container, identity.workload, *identity.outer]
    return [identity.pod, identity.helps] + [s for c in nouns if c for s in (c.id, c.name, c.pod, c.task)]


SEGMENTS = sorted({part for case in CASES for part in re.split(r"[/\n]", case["text"]) if part})
PIECES = st.one_of(
    st.sampled_from(SEGMENTS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([ID, f"docker-{ID}.scope", r"machine-a\x2db.scope", r"a\x0ab\x2f.scope", "payload", "..", "lxc"]),
)
LINES = st.builds(
    lambda head, parts, tail: (head + "/" + "/".join(parts) + tail).encode(),
    st.sampled_from(["0::", "1:name=systemd:", "9:cpu,cpuacct:", ":", ""]),
    st.lists(PIECES, max_size=8),
    st.sampled_from(["", " (deleted)"]),
)
TEXTS = st.one_of(st.binary(max_size=400), st.lists(LINES, max_size=5).map(b"\n".join))


@settings(max_examples=100)
@given(TEXTS, st.booleans(), st.booleans())
def test_no_id_that_is_not_in_the_text(text: bytes, zombie: bool, reader_root: bool) -> None:
    """Any bytes give an answer, and every id, name and pod in it is a piece of the text."""
    identity = identify(text, zombie=zombie, reader_root=reader_root)
    for piece in texts(identity):
        assert piece in shown(text)
    for noun in (identity.container, *identity.outer):
        assert noun is None or (noun.id and noun.role in (CgroupRole.CONTAINER, CgroupRole.BUILD))
    assert not (identity.container is None and identity.outer)
    assert not (identity.host and identity.container)


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=6))
def test_nothing_below_a_container_takes_it_away(parts: list[str]) -> None:
    """A workload may name the cgroups below its own as it likes: it stays inside."""
    path = f"/system.slice/docker-{ID}.scope/" + "/".join(parts).replace("\n", "")
    identity = identify(f"0::{path}\n".encode())
    assert ID in [c.id for c in (identity.container, *identity.outer) if c and not c.confirm]
    assert not identity.host


@settings(max_examples=50)
@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_order_of_lines_does_not_matter(case: dict[str, Any], random: Any) -> None:
    """The kernel's order of hierarchies says nothing (two equally good lines that disagree are flagged as such)."""
    lines = case["text"].encode().splitlines()
    expected = identify(b"\n".join(lines))
    random.shuffle(lines)
    found = identify(b"\n".join(lines))
    assert found == expected or (found.ambiguous and expected.ambiguous)


def test_bytes_that_are_no_text_show_as_escapes() -> None:
    """A name that is not UTF-8 is shown with backslashes and stays one name."""
    found = identify(b"0::/lxc.payload.\xff\xfe b\n").container
    assert found == CgroupContainer(r"\xff\xfe b", "lxc", r"\xff\xfe b")


def test_an_escaped_slash_or_newline_stays_escaped() -> None:
    """Undoing systemd's escapes makes no text that a path could not hold in a name, nor a second line."""
    found = identify(rb"0::/machine.slice/machine-a\x2fb\x0ac\x2dd.scope/payload").container
    assert found is not None
    assert found.id == r"a\x2fb\x0ac-d"


def test_a_text_too_long_is_cut_at_a_line_and_proves_no_host() -> None:
    """Beyond MAX_TEXT nothing is read, and what was left out may have named a container."""
    line = b"1:cpu:/system.slice/a.service\n"
    found = identify(line * (MAX_TEXT // len(line) + 10) + f"0::/docker/{ID}\n".encode())
    assert found == CgroupIdentity(partial=True)
    assert not found.host


def test_a_segment_longer_than_the_kernel_allows_is_no_name() -> None:
    """No cgroup has a name of more than 255 bytes."""
    assert identify(b"0::/lxc.payload." + b"a" * 300).container is None


def test_confirmed_keeps_what_an_engine_knows() -> None:
    """Names of containers made by hand are believed only when an engine's state has them."""
    found = identify(b"0::/lab/mycont1/sub\n")
    assert [c.id for c in (found.container, *found.outer) if c] == ["sub", "mycont1", "lab"]
    known = found.confirmed(lambda c: c.id == "mycont1")
    assert known.container is not None
    assert (known.container.id, known.outer) == ("mycont1", ())
    assert found.confirmed(lambda c: False).container is None
    assert found.confirmed(lambda c: False).host


def test_confirmed_leaves_certain_ones_alone() -> None:
    """A certain container is not asked for."""
    found = identify(f"0::/payload/system.slice/docker-{ID}.scope\n".encode())
    known = found.confirmed(lambda c: False)
    assert known.container == CgroupContainer(ID, "docker")
    assert known.outer == ()
