"""The state of a container as the runtime hands it to a hook (OCI runtime specification, "State"). Hostile: checked."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from annotator.core.errors import FormatError

MAX_STATE = 1 << 20
"""Bytes of a state; its annotations are the user's."""

MAX_ID = 511
"""Characters of an id."""

MAX_NAME = 256

_ID = re.compile(r"[\x21-\x7e]+")

_NAMES = {
    "name": (
        "io.kubernetes.cri-o.Name", "io.kubernetes.cri.container-name", "io.kubernetes.container.name",
        "io.container.name", "nerdctl/name",
    ),
    "image": ("io.kubernetes.cri-o.ImageName", "io.kubernetes.cri.image-name"),
    "pod": ("io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"),
    "namespace": ("io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"),
}  # fmt: skip
"""The annotations in which engines keep the names of a container; the first that is there counts."""

_ENGINES = (
    ("io.kubernetes.cri-o.", "crio"),
    ("io.kubernetes.cri.", "containerd"),
    ("io.podman.", "podman"),
    ("nerdctl/", "containerd"),
)
"""Prefixes of annotations, and their engines."""


class State(NamedTuple):
    """The state that a hook is given. `pid` is one of the runtime's pid namespace: of the host's for its engines."""

    id: str
    pid: int
    name: str = ""
    image: str = ""
    engine: str = ""
    pod: str = ""
    namespace: str = ""


def parse(data: bytes, engine: str = "") -> State:
    """The state in a hook's standard input. Raises FormatError, which says what does not fit."""
    if len(data) > MAX_STATE:
        raise FormatError(f"the state has more than {MAX_STATE} bytes")
    try:
        state = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise FormatError(f"the state is no JSON: {err}"[:200]) from err
    if not isinstance(state, dict):
        raise FormatError("the state is no JSON object")
    container, pid, status = state.get("id"), state.get("pid"), state.get("status", "created")
    if not isinstance(container, str) or len(container) > MAX_ID or not _ID.fullmatch(container):
        raise FormatError("the state has no usable id")
    if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < 2**31:
        raise FormatError("the state has no usable pid: is the hook at the createRuntime stage?")
    if status not in ("creating", "created", "running"):
        raise FormatError("the container is not being created")
    given = state.get("annotations")
    annotations: dict[str, Any] = given if isinstance(given, dict) else {}
    names = {field: _first(annotations, keys) for field, keys in _NAMES.items()}
    return State(container, pid, engine=engine or _engine(annotations), **names)


def _first(annotations: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = annotations.get(key)
        if isinstance(value, str) and value:
            return "".join(char for char in value[:MAX_NAME] if char.isprintable())
    return ""


def _engine(annotations: dict[str, Any]) -> str:
    for prefix, engine in _ENGINES:
        if any(key.startswith(prefix) for key in annotations):
            return engine
    return "oci"
