"""Names in ECS of what an AIX record says: paths, users, peers, programs, kinds; and one spelling of one WPAR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.aix import tail_format
from annotator.aix.grouping import RecordEvent
from annotator.aix.interpret import interpret
from annotator.aix.record import Form, Record
from annotator.core.model import Attribution, Reason, Status
from annotator.engine.factory import Options
from annotator.formats.json import document
from tests.aix.days import replayed

ROOT = Path(__file__).parents[2]
VALID = jsonschema.Draft202012Validator(json.loads((ROOT / "annotator/data/event.schema.json").read_text("utf-8")))


def parts(event: str, tail: str, **more: Any) -> dict[str, Any]:
    """The parts of one record; what the whole document is then follows the schema."""
    raw = tail.encode("utf-8", "surrogateescape")
    record = Record(event.encode(), 1, 0, (b"",), Form.COLUMNS, **{"status": b"OK", "tail": raw, **more})
    one = RecordEvent(record, 1, [b""])
    found = interpret(one)
    VALID.validate(document(one, Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN), found))
    return found


@pytest.mark.parametrize(
    ("event", "tail", "expected"),
    [
        ("FILE_Open", "flags: 2 mode: 644 fd: 3 filename /etc/hosts", {"file": {"path": "/etc/hosts"}}),
        ("FILE_Unlink", "filename /tmp/a b", {"file": {"path": "/tmp/a b"}}),
        ("FILE_Rename", "frompath: /a topath: /b", {"file": {"path": "/b"}}),
        ("FILE_Link", "linkname /l filename /f", {"file": {"path": "/l", "target_path": "/f"}}),
        ("FS_Mkdir", "mode: 755 dir: /d", {"file": {"path": "/d"}}),
        ("FS_Chdir", "change current directory to: /home", {"process": {"working_directory": "/home"}}),
        ("S_OWN_EVENT", "audit object write event detected /etc/x", {"file": {"path": "/etc/x"}}),
        ("TCP_kaccept", "fd14 Port 10.0.0.10 1022 host01 nim", {"source": {"ip": "10.0.0.10", "port": 1022}}),
        ("TCP_kaccept", "fd14 Port 10.0.0 1022 host01 nim", {}),
        ("TCP_kaccept", "fd14 Port 10.0.0.10 99999 host01 nim", {}),
        ("USER_SU", "root", {"user": {"target": {"name": "root"}}}),
        ("USER_Login", "user: appusr tty: #012", {"user": {"name": "appusr"}}),
        ("PROC_SetUserIDs", "effect: 0, real: 7, saved: 7, login: 7", {"user": {"target": {"id": "0"}}}),
    ],
)
def test_values_of_tails(event: str, tail: str, expected: dict[str, Any]) -> None:
    """Where ECS has a name for them."""
    found = parts(event, tail)
    names = ("file", "source", "destination", "user", "process")
    assert {name: found[name] for name in names if name in found} == expected


def test_a_tail_that_could_end_elsewhere_names_no_path() -> None:
    """Whoever chose the name of the file chose where it seems to end."""
    found = parts("FILE_Rename", "frompath: /a topath: /b topath: /etc/passwd")
    assert "file" not in found
    assert found["aix_audit"]["record"]["fields_ambiguous"]


def test_a_new_program() -> None:
    """Name, path and line are the new program's; of one that could not be run nothing is said but in the fields."""
    tail = "euid: 0 egid: 0 epriv: 0:7 name /usr/bin/ls -l"
    found = parts("PROC_Execute", tail, command=b"ksh")
    assert found["process"] == {"name": "ls", "executable": "/usr/bin/ls", "command_line": "/usr/bin/ls -l"}
    assert found["aix_audit"]["record"]["command"] == "ksh"
    assert found["aix_audit"]["record"]["fields"]["epriv_2"] == "7"
    assert parts("PROC_Execute", tail, command=b"ksh", status=b"FAIL")["process"] == {"name": "ksh"}
    assert "executable" not in parts("PROC_Execute", tail.replace("/usr/bin/", ""))["process"]


def test_users_by_number_and_by_name() -> None:
    """As the trail has them, neither is turned into the other."""
    assert parts("FS_Chdir", "", login=b"210", ruser=b"0")["user"] == {"id": "0", "audit": {"id": "210"}}
    assert parts("FS_Chdir", "", login=b"appusr")["user"] == {"audit": {"name": "appusr"}}


def test_it_is_an_aix() -> None:
    """`host.os`, with the node beside it."""
    assert parts("FS_Chdir", "")["host"] == {"os": {"type": "unix", "name": "AIX"}}


@given(st.sampled_from(sorted(tail_format.BUILT_IN)), st.text(max_size=120))
def test_any_tail_follows_the_schema(event: bytes, tail: str) -> None:
    """Whatever is in it."""
    parts(event.decode(), tail.encode("utf-8", "replace").decode())


@given(st.lists(st.tuples(st.sampled_from(["", "a", "a.b", "a_2", "a.b "]), st.sampled_from(["%d", "%s", "%x"]))))
def test_no_field_is_a_text_and_an_object(words: list[tuple[str, str]]) -> None:
    """Labels of any format are all different and have no dot, so each is one field of one type."""
    form = tail_format.parse_printf(" ".join(f"{word}: {kind}" for word, kind in words).encode())
    labels = [part.label for part in form.parts if part.conversion]
    assert len(labels) == len(set(labels)) == len(words)
    assert not any("." in label for label in labels)


def test_one_wpar_has_one_spelling(sim: Any, tmp_path: Path) -> None:
    """In `provenance.chains`, with listings of any kind or none, with --node or not; the CID is beside it."""
    machine = sim.scenario()
    trail = machine.auditpr("elrRtpPTcW", numeric=True)
    taken = machine.records[0].seconds * 1000 - 1000
    (tmp_path / "index").write_text(machine.index())
    (tmp_path / "long").write_text(machine.lswpar("-L"))
    spellings: set[tuple[str, ...]] = set()
    for names in ((), ("index",), ("long",), ("index", "long")):
        for node in ("", "aix1"):
            wpars = tuple((str(tmp_path / name), taken) for name in names)
            documents, _ = replayed(trail, Options(format="json", wpars=wpars, node=node))
            for one, record in zip(documents, machine.records, strict=True):
                if record.wpar is not None and one["provenance"]["status"] == "container":
                    assert one["provenance"]["chains"] == [[record.wpar.name]]
                    spellings.add((record.wpar.name, *one["provenance"]["chains"][0]))
    assert len(spellings) == len({name for name, _ in spellings}) > 3
