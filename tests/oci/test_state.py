"""The state of a container as a hook is told it: believed where it fits, and nothing else taken from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import FormatError
from annotator.oci.state import MAX_ID, MAX_NAME, MAX_STATE, State, parse


def state(**more: Any) -> bytes:
    """As runc writes it, with changes; None leaves a key out."""
    whole = {"ociVersion": "1.0.2", "id": "web", "status": "created", "pid": 7, "bundle": "/b", **more}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


def test_what_runc_writes_is_read() -> None:
    """Id and pid; the engine's name is said by who installed the hook."""
    assert parse(state()) == State("web", 7, engine="oci")
    assert parse(state(status=None), "docker") == State("web", 7, engine="docker")


@pytest.mark.parametrize(
    ("annotations", "want"),
    [
        (
            {"io.kubernetes.cri-o.Name": "k8s_a", "io.kubernetes.pod.name": "p", "io.kubernetes.pod.namespace": "n"},
            State("web", 7, "k8s_a", "", "crio", "p", "n"),
        ),
        (
            {
                "io.kubernetes.cri.container-name": "a", "io.kubernetes.cri.image-name": "i",
                "io.kubernetes.cri.sandbox-name": "p",
            },
            State("web", 7, "a", "i", "containerd", "p"),
        ),
        ({"io.podman.annotations.x": "1"}, State("web", 7, engine="podman")),
        ({"io.kubernetes.cri-o.Name": "a\n\x00" + "x" * 999}, State("web", 7, "a" + "x" * (MAX_NAME - 3), "", "crio")),
        ({"io.kubernetes.cri-o.Name": ["a"], "io.container.name": 7}, State("web", 7, engine="crio")),
        ("none", State("web", 7, engine="oci")),
    ],
)  # fmt: skip
def test_names_come_from_the_engines_annotations(annotations: Any, want: State) -> None:
    """They are text of bounded length without control characters; of any other type they are left out."""
    assert parse(state(annotations=annotations)) == want


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"7", b'"x"', b"{}", b"{", b"[" * 100_000, b"9" * 9000, b" " * (MAX_STATE + 1),
        state(id=None), state(id=""), state(id=7), state(id="a b"), state(id="a\n"), state(id="ä"),
        state(id="x" * (MAX_ID + 1)),
        state(pid=None), state(pid=0), state(pid=-1), state(pid="7"), state(pid=7.0), state(pid=True), state(pid=2**31),
        state(status="stopped"), state(status=["created"]), state(status={}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error(data: bytes) -> None:
    """Each says what; at the wrong stage (no process yet, or none any more) it says that."""
    with pytest.raises(FormatError):
        parse(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_state_or_an_error(data: bytes) -> None:
    """No other error comes out."""
    try:
        parse(data)
    except FormatError:
        return


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)  # fmt: skip  # noqa: E501


@given(st.dictionaries(st.sampled_from(["id", "pid", "status", "annotations", "bundle"]), JSON))
def test_any_types_are_a_state_or_an_error(found: dict[str, Any]) -> None:
    """Whatever stands where something else is due."""
    try:
        got = parse(json.dumps(found).encode())
    except FormatError:
        return
    assert (got.id, got.pid) == (found["id"], found["pid"])
