"""The JSON and msgpack forms: exactly the published keys, ids as text, what is not known absent, any bytes writable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import (
    OWN_SESSION,
    Attribution,
    Container,
    ContId,
    Event,
    Evidence,
    Flag,
    Netns,
    NetnsId,
    ProcKey,
    Reason,
    Session,
    Stamp,
    Status,
    Target,
)
from annotator.formats import json as json_form
from annotator.formats import msgpack as msgpack_form
from annotator.formats.answer import MAX_KNOWN, Answers, image_part
from annotator.storage import codec

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "annotator" / "data" / "event.schema.json").read_text("utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)

HOST = Attribution(Status.HOST, evidence=(Evidence.LINEAGE,))
PARTS: dict[str, Any] = {
    "event": {"module": "auditd", "kind": "event"},
    "process": {"pid": 11, "name": "sh"},
    "auditd": {"records": [{"type": "CWD", "fields": {"cwd": "/"}}]},
}


def event(node: bytes = b"web1", ms: int = 1700000000007, serial: int = 42) -> Event:
    """One event."""
    return Event(b"k", node, Stamp(ms, serial), b'type=CWD msg=audit(1700000000.007:42): cwd="\xff"')


def render(one: Event, answer: Attribution, parts: dict[str, Any], **options: Any) -> bytes:
    """The line of JSON for an event."""
    return json_form.encode(json_form.document(one, answer, parts, node=one.node, **options))


def packed(one: Event, answer: Attribution, parts: dict[str, Any], **options: Any) -> Any:
    """What msgpack has for an event."""
    return codec.unpack(msgpack_form.encode(json_form.document(one, answer, parts, node=one.node, **options)))


def made(attribution: Attribution, parts: dict[str, Any] = PARTS, **options: Any) -> dict[str, Any]:
    """The object as JSON has it; it follows the schema, and msgpack has the same."""
    line = render(event(), attribution, parts, **options)
    found: dict[str, Any] = json.loads(line)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert packed(event(), attribution, parts, **options) == found
    if "fields" not in options:
        VALID.validate(found)
    return found


def inner() -> Container:
    """A container in a container, with all its names."""
    outer = Container(ContId(2**64 - 2), id="f" * 64)
    return Container(
        ContId(3), id="e" * 64, name="web", image="reg:5000/nginx:1.25@sha256:ab", engine="docker", parent=outer,
        pod="u-1", pod_name="web-0", namespace="prod", labels={"a": "b"},
    )  # fmt: skip


def test_the_schema_is_one() -> None:
    """The published schema is valid itself, and closed at every level that is ours."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("2020-12/schema")
    for name in ("provenance", "auditd", "process", "event", "user", "host", "orchestrator"):
        assert SCHEMA["properties"][name]["additionalProperties"] is False
    with pytest.raises(jsonschema.ValidationError):
        VALID.validate({**made(HOST), "more": 1})


def test_a_host_event_in_full() -> None:
    """Only what is known is there: no container, no session, no empty lists."""
    assert made(HOST) == {
        "@timestamp": "2023-11-14T22:13:20.007Z",
        "ecs": json_form.ECS,
        "host": {"name": "web1", "os": {"type": "linux"}},
        "event": {"module": "auditd", "kind": "event", "dataset": "auditd.log", "sequence": 42},
        "process": {"pid": 11, "name": "sh"},
        "auditd": PARTS["auditd"],
        "provenance": {"status": "host", "evidence": ["lineage"]},
        "message": "sh[11] cwd",
    }
    assert json.loads(render(event(node=b""), HOST, PARTS))["host"] == {"os": {"type": "linux"}}


def test_a_container_event_in_full() -> None:
    """The nearest container is named; chains are contids as text, nearest first; who entered is told."""
    entered = Session("1.002:3", "docker exec", auid=1000, ses=5, uid=0, tty="pts0", exe="/usr/bin/runc")
    found = made(
        Attribution(
            Status.CONTAINER, (inner().chain(),), (Evidence.CGROUP,), flags=(Flag.ENTERED,), session=entered,
            netns=Netns(NetnsId(4, 4026531840, 2**63), "web", host=True),
            vpid=7, key=ProcKey(b"web1", "b-1", 11, 99, True),
        )
    )  # fmt: skip
    assert found["container"] == {
        "id": "e" * 64,
        "name": "web",
        "runtime": "docker",
        "image": {"name": "reg:5000/nginx@sha256:ab", "tag": ["1.25"]},
        "labels": {"a": "b"},
    }
    assert found["orchestrator"] == {
        "type": "kubernetes",
        "namespace": "prod",
        "resource": {"type": "pod", "name": "web-0", "id": "u-1"},
    }
    assert found["provenance"] == {
        "status": "container",
        "chains": [["3", "18446744073709551614"]],
        "evidence": ["cgroup"],
        "flags": ["entered"],
        "session": {
            "id": "1.002:3",
            "how": "docker exec",
            "by": {"auid": "1000", "ses": "5", "uid": "0", "tty": "pts0", "exe": "/usr/bin/runc"},
        },
        "netns": {"dev": 4, "ino": 4026531840, "id": "9223372036854775808", "name": "web", "host": True},
    }
    assert found["process"] == {"pid": 11, "name": "sh", "vpid": 7, "entity_id": "web1/b-1/11@99t"}


def test_unset_is_absent_not_a_number() -> None:
    """Who entered is told as far as it is known; what the container's own init started is session 0."""
    found = made(Attribution(Status.CONTAINER, (inner().chain(),), session=Session("5@77")))
    assert found["provenance"]["session"] == {"id": "5@77"}
    found = made(Attribution(Status.CONTAINER, (inner().chain(),), session=OWN_SESSION))
    assert found["provenance"]["session"] == {"id": "0"}


def test_two_chains_name_no_container() -> None:
    """Several containers share a network namespace: all chains, no pick."""
    found = made(Attribution(Status.CONTAINER, ((Container(ContId(1), id="a"),), (Container(None, id="wpar1"),))))
    assert found["provenance"]["chains"] == [["1"], ["wpar1"]]
    assert "container" not in found


def test_no_answer_says_why() -> None:
    """An unknown event carries its reason, and no container even where a chain is suspected."""
    found = made(Attribution(Status.UNKNOWN, reason=Reason.GONE))
    assert found["provenance"] == {"status": "unknown", "reason": "gone"}
    found = made(Attribution(Status.UNKNOWN, (inner().chain(),), reason=Reason.TENTATIVE))
    assert "container" not in found


def test_targets_and_addresses() -> None:
    """Each target has its own answer; packets name the containers of their addresses."""
    target = Container(ContId(9), id="t", name="db")
    found = made(
        Attribution(
            Status.HOST,
            targets=(Target(5, Status.CONTAINER, ((target,),)), Target(6, Status.UNKNOWN, reason=Reason.GONE)),
            src=((target,),),
            dst=((inner(),),),
        )
    )
    assert found["provenance"]["targets"] == [
        {"pid": 5, "status": "container", "chains": [["9"]], "container": {"id": "t", "name": "db"}},
        {"pid": 6, "status": "unknown", "reason": "gone"},
    ]
    assert (found["provenance"]["src"], found["provenance"]["dst"]) == ([["9"]], [["3"]])


def test_a_wpar_keeps_its_identity() -> None:
    """On AIX the lasting identity stands beside the contid, and the records are the trail's."""
    wpar = Container(
        ContId(4), id="web", name="web", engine="wpar", identifiers={"cid": "4", "ckey": "7", "type": "S", "x": "y"}
    )
    parts = {"event": {"module": "aix_audit", "kind": "event"}, "aix_audit": {"record": {"event": "FILE_Open"}}}
    found = made(Attribution(Status.CONTAINER, ((wpar,),), (Evidence.TRAIL,)), parts)
    assert found["provenance"]["aix"] == {"cid": "4", "ckey": "7", "type": "S"}
    assert found["aix_audit"] == {"record": {"event": "FILE_Open"}}


def test_a_name_that_is_learnt_late_is_shown() -> None:
    """What was rendered of a container is forgotten when the container changes."""
    container = Container(ContId(1), id="a")
    answer = Attribution(Status.CONTAINER, ((container,),))
    assert made(answer)["container"] == {"id": "a"}
    container.name, container.version = "late", container.version + 1
    assert made(answer)["container"] == {"id": "a", "name": "late"}


def test_answers_have_a_bound_and_do_not_mix() -> None:
    """Sessions that come and go at the same address in memory keep their own answers; the table is bounded."""
    answers = Answers()
    for at in range(MAX_KNOWN + 10):
        given = Attribution(Status.HOST, session=Session(str(at)))
        assert answers.of(given).attributor["session"] == {"id": str(at)}
    assert len(answers._known) <= MAX_KNOWN


def test_the_original_is_given_when_asked() -> None:
    """The records as they came, bytes that are no text shown."""
    assert "original" not in made(HOST)["event"]
    assert made(HOST, original=True)["event"]["original"] == 'type=CWD msg=audit(1700000000.007:42): cwd="\\xff"'


def test_fields_pick_leaves_and_parts() -> None:
    """Dotted names keep leaves or whole parts, also within lists; what is not there is not made up."""
    fields = frozenset({"process", "process.pid", "event.sequence", "auditd.records.type", "no.such", "user.id"})
    assert made(HOST, fields=fields) == {
        "process": {"pid": 11, "name": "sh"},
        "event": {"sequence": 42},
        "auditd": {"records": [{"type": "CWD"}]},
    }


def test_parts_are_not_changed() -> None:
    """What the backend gave stays as it was: others may hold it."""
    before = json.dumps(PARTS)
    made(Attribution(Status.HOST, vpid=3, key=ProcKey(b"", "b", 1, 2)), original=True)
    assert json.dumps(PARTS) == before


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("nginx", {"name": "nginx"}),
        ("nginx:1", {"name": "nginx", "tag": ["1"]}),
        ("reg:5000/nginx", {"name": "reg:5000/nginx"}),
        ("reg:5000/nginx:1@sha256:ab", {"name": "reg:5000/nginx@sha256:ab", "tag": ["1"]}),
        ("sha256:abcd", {"name": "sha256:abcd"}),
        (":", {"name": ":"}),
    ],
)
def test_image_references(reference: str, meant: dict[str, Any]) -> None:
    """A tag is split off, a port is none, a digest stays with the name."""
    assert image_part(reference) == meant


@pytest.mark.parametrize(
    ("ms", "meant"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
        (253402300800000, None),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62135596800000, "0001-01-01T00:00:00.000Z"),
        (-62135596800001, None),
        (10**30, None),
    ],
)
def test_timestamps(ms: int, meant: str | None) -> None:
    """RFC 3339 has four digits for the year; a stamp beyond has no timestamp, and the event still leaves."""
    assert json_form.timestamp(ms) == meant
    line = render(event(ms=ms), HOST, PARTS)
    assert json.loads(line).get("@timestamp") == meant
    VALID.validate(json.loads(line))


def test_what_json_cannot_hold_is_written_all_the_same() -> None:
    """Half a surrogate in a name, and a serial beyond 64 bits, do not stop the stream, in either form."""
    odd = Container(ContId(1), id="a", name="x\udc80y")
    given = Attribution(Status.CONTAINER, ((odd,),))
    one = event(serial=10**30)
    found = json.loads(render(one, given, PARTS))
    assert found["container"]["name"] == "x\\udc80y"
    assert found["event"]["sequence"] == str(10**30)
    VALID.validate(found)
    assert packed(one, given, PARTS) == found


TEXT = st.text(st.characters(), max_size=20)


@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=2), st.binary(max_size=10))
def test_any_name_can_be_written(name: str, image: str, pod: str, labels: dict[str, str], node: bytes) -> None:
    """Names come from state files and from other machines: whatever they hold, one line follows the schema."""
    container = Container(ContId(0), id=name, name=name, image=image, pod_name=pod, labels=labels)
    line = render(event(node), Attribution(Status.CONTAINER, ((container,),)), PARTS)
    VALID.validate(json.loads(line))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "samples/linux/interpret").rglob("expected.json")), ids=lambda path: path.parent.name
)
def test_expected_samples_follow_the_schema(path: Path) -> None:
    """Every recorded event that is kept in this form follows the published schema."""
    for line in path.read_bytes().splitlines():
        VALID.validate(json.loads(line))
