"""CRI-O: the OCI config it keeps in containers/storage, and its own state.json beside it.

Annotations `io.kubernetes.cri-o.*` of config.json: ContainerID, ContainerName, ContainerType (`container`/`sandbox`),
KubeName (the pod's name), Namespace, SandboxID, Image, ImageName, Created, and the JSON texts Labels, Annotations,
Metadata. state.json: `created`, `initPid`, `initStartTime` (clock ticks since boot as digits; early versions wrote
seconds as a number, so a number is not believed). From CRI-O's source (pkg/annotations, internal/oci/container.go),
not from files recorded on a machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.linux.engines import storage
from annotator.linux.engines.state import EngineState, labels, mapping, millis, parse_object, pid, text, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.linux.engines.files import Files

ENGINE: Final = "cri-o"
_KEY: Final = "io.kubernetes.cri-o."


class _State(NamedTuple):
    init_pid: int | None
    init_ticks: int | None
    created_ms: int | None


_NO_STATE: Final = _State(None, None, None)


def lookup(files: Files, id: str) -> EngineState | None:
    """The container or pod sandbox of this full id, if it is CRI-O's."""
    store = storage.root_store()
    found = storage.config(files, store, id)
    if found is None or not is_crio(found[1]):
        return None
    driver, config = found
    said = config.annotations
    if said.get(_KEY + "ContainerID", id) != id:
        return None
    tags, metadata = _json_labels(said, "Labels"), _json_labels(said, "Metadata")
    sandbox = said.get(_KEY + "ContainerType", "") == "sandbox"
    state = _state(files, driver, id)
    pod_name = said.get(_KEY + "KubeName", "") or tags.get("io.kubernetes.pod.name", "")
    own_name = pod_name if sandbox else metadata.get("name", "") or tags.get("io.kubernetes.container.name", "")
    return EngineState(
        id=id,
        engine=ENGINE,
        name=own_name or said.get(_KEY + "ContainerName", ""),
        image=said.get(_KEY + "ImageName", "") or said.get(_KEY + "Image", ""),
        labels=tags,
        pod=tags.get("io.kubernetes.pod.uid", "") or (metadata.get("uid", "") if sandbox else ""),
        pod_name=pod_name,
        namespace=said.get(_KEY + "Namespace", "") or tags.get("io.kubernetes.pod.namespace", ""),
        init_pid=state.init_pid,
        init_ticks=state.init_ticks,
        created_ms=state.created_ms or millis(said.get(_KEY + "Created")),
        sandbox=sandbox,
        cgroup=config.cgroup,
        rootfs=config.rootfs,
    )


def scan(files: Files) -> Iterator[EngineState]:
    """All containers and sandboxes in root's store that are CRI-O's."""
    for id in storage.ids(files, storage.root_store()):
        state = lookup(files, id)
        if state is not None:
            yield state


def is_crio(config: storage.Config) -> bool:
    """Whether the config is CRI-O's own: podman writes some of the same annotations, but names itself."""
    if config.manager:
        return config.manager == "cri-o"
    return _KEY + "ContainerID" in config.annotations


def _json_labels(said: Mapping[str, str], key: str) -> Mapping[str, str]:
    return labels(mapping(parse_object(said.get(_KEY + key, "").encode("utf-8", "replace"))))


def _state(files: Files, driver: str, id: str) -> _State:
    for base in (storage.GRAPHROOT, storage.RUNROOT):
        found = files.load(f"{base}/{driver}-containers/{id}/userdata/state.json", _parse_state)
        if found is not None:
            return found
    return _NO_STATE


def _parse_state(data: bytes) -> _State | None:
    state = parse_object(data)
    if not state:
        return None
    start = text(state.get("initStartTime"))
    return _State(pid(state.get("initPid")), ticks(start) if start else None, millis(state.get("created")))
