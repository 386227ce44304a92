"""containerd: the bundle of each task, the annotations of its CRI plugin, and its metadata store.

STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/ holds `config.json` (OCI) and `init.pid`; the directory's name is the
id. NAMESPACE `moby` is docker's, `k8s.io` Kubernetes', `default` ctr's and nerdctl's. Pod and container names are the
annotations `io.kubernetes.cri.*`. The image of a ctr container, and all labels, are only in the bolt file
ROOT/io.containerd.metadata.v1.bolt/meta.db at v1/NAMESPACE/containers/ID/{image,labels} (containerd: core/metadata/
buckets.go). Read from files of containerd 1.6.20; the places k3s, RKE2, k0s, MicroK8s and a containerd started by
dockerd use are from their documentation.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.linux.engines import oci
from annotator.linux.engines.bolt import Bolt, ask, version
from annotator.linux.engines.state import (
    MAX_LABELS,
    NO_LABELS,
    EngineState,
    is_component,
    is_full_id,
    labels,
    mapping,
    parse_object,
    pid,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.linux.engines.files import Files

ENGINE: Final = "containerd"
DOCKER: Final = "moby"
_CRI: Final = "io.kubernetes.cri."
_MAX_NAMESPACES: Final = 64
_RUNC: Final = "/run/containerd/runc"  # of every containerd, wherever its own state is, unless a runtime has options
_YEAR_1: Final = 62135596800  # seconds from 0001-01-01 to 1970-01-01 in the proleptic Gregorian calendar

_HOMES: Final = (  # the state directory of one containerd, and where its lasting files may be
    ("/run/containerd", ("/var/lib/containerd",)),
    ("/run/docker/containerd/daemon", ("/var/lib/docker/containerd/daemon",)),
    ("/run/k3s/containerd", ("/var/lib/rancher/k3s/agent/containerd", "/var/lib/rancher/rke2/agent/containerd")),
    ("/run/k0s/containerd", ("/var/lib/k0s/containerd",)),
    ("/var/snap/microk8s/common/run/containerd", ("/var/snap/microk8s/common/var/lib/containerd",)),
)


class _Spec(NamedTuple):
    annotations: Mapping[str, str]
    cgroup: str
    rootfs: str


class _Meta(NamedTuple):
    image: str = ""
    labels: Mapping[str, str] = NO_LABELS
    created_ms: int | None = None


def lookup(files: Files, id: str, *, namespace: str = "") -> EngineState | None:
    """The container with this id in the given namespace, or in the only one that has it; None when two have it."""
    found = claims(files, id, namespace=namespace)
    return found[0] if len(found) == 1 else None


def claims(files: Files, id: str, *, namespace: str = "") -> list[EngineState]:
    """The containers with this id: one of each namespace that has it."""
    if not is_component(id) or (namespace and not is_component(namespace)):
        return []
    found: dict[str, EngineState] = {}
    for state_dir, root_dirs in _HOMES:
        tasks = f"{state_dir}/io.containerd.runtime.v2.task"
        for name in (namespace,) if namespace else files.names(tasks, limit=_MAX_NAMESPACES):
            state = _task(files, f"{tasks}/{name}", root_dirs, name, id)
            if state is not None:
                found[f"{state_dir} {name}"] = state
    told = {key.rpartition(" ")[2] for key in found}
    for name in (namespace,) if namespace else files.names(_RUNC, limit=_MAX_NAMESPACES):
        runtime = oci.read(files, f"{_RUNC}/{name}", id) if name not in told else None
        if runtime is not None:
            found[name] = _of_runtime(runtime, name)
    return list(found.values())


def _of_runtime(runtime: oci.Oci, namespace: str) -> EngineState:
    """A task of a containerd whose own state is where nobody looks: its runtime's is always in the same place."""
    engine = "docker" if namespace == DOCKER else ENGINE
    return replace(oci.as_state(runtime), engine=engine)


def scan(files: Files) -> Iterator[EngineState]:
    """All tasks of all namespaces but docker's (dockerd's own files say more)."""
    for state_dir, root_dirs in _HOMES:
        tasks = f"{state_dir}/io.containerd.runtime.v2.task"
        for namespace in files.names(tasks, limit=_MAX_NAMESPACES):
            for id in files.names(f"{tasks}/{namespace}") if namespace != DOCKER else ():
                state = _task(files, f"{tasks}/{namespace}", root_dirs, namespace, id)
                if state is not None:
                    yield state


def _task(files: Files, tasks: str, root_dirs: tuple[str, ...], namespace: str, id: str) -> EngineState | None:
    spec = files.load(f"{tasks}/{id}/config.json", _spec)
    if spec is None:
        return None
    init_pid = files.load(f"{tasks}/{id}/init.pid", _init_pid, limit=64)
    runtime = oci.read(files, f"{_RUNC}/{namespace}", id)
    meta = _metadata(files, root_dirs, namespace, id)
    state = replace(_named(spec, meta, namespace, id), created_ms=meta.created_ms)
    rootfs = f"{tasks}/{id}/{spec.rootfs}" if spec.rootfs and not spec.rootfs.startswith("/") else spec.rootfs
    if runtime is None:
        return replace(state, init_pid=init_pid, cgroup=spec.cgroup, rootfs=rootfs)
    return replace(
        state,
        init_pid=init_pid or runtime.init_pid,
        init_ticks=runtime.init_ticks if init_pid in {None, runtime.init_pid} else None,
        created_ms=meta.created_ms or runtime.created_ms,
        cgroup=runtime.cgroup or spec.cgroup,
        rootfs=runtime.rootfs or rootfs,
    )


def _named(spec: _Spec, meta: _Meta, namespace: str, id: str) -> EngineState:
    """The names, from CRI's annotations where there are any; a pod's sandbox has the name of its pod."""
    said = spec.annotations
    kind, tags = said.get(_CRI + "container-type", ""), meta.labels
    sandbox_image = said.get(_CRI + "podsandbox.image-name", "")  # containerd 2
    if kind and said.get(_CRI + "sandbox-id"):
        return EngineState(
            id=id,
            engine=ENGINE,
            name=said.get(_CRI + "container-name", "") or said.get(_CRI + "sandbox-name", ""),
            image=said.get(_CRI + "image-name", "") or sandbox_image or meta.image,
            labels=tags,
            pod=said.get(_CRI + "sandbox-uid", "") or tags.get("io.kubernetes.pod.uid", ""),
            pod_name=said.get(_CRI + "sandbox-name", ""),
            namespace=said.get(_CRI + "sandbox-namespace", ""),
            sandbox=kind == "sandbox",
        )
    name = tags.get("nerdctl/name", "") or said.get("nerdctl/name", "") or ("" if is_full_id(id) else id)
    engine = "docker" if namespace == DOCKER else ENGINE
    return EngineState(id=id, engine=engine, name=name, image=meta.image, labels=tags)


def _metadata(files: Files, root_dirs: tuple[str, ...], namespace: str, id: str) -> _Meta:
    """The image and labels in the metadata store; empty where it cannot be read."""
    buckets = (b"v1", namespace.encode("utf-8", "replace"), b"containers", id.encode("utf-8", "replace"))

    def question(view: Bolt) -> _Meta:
        image = view.get(buckets, b"image") or b""
        pairs = {
            text(key.decode("utf-8", "replace")): text(value.decode("utf-8", "replace"))
            for key, value in view.items((*buckets, b"labels"), limit=MAX_LABELS)
            if value is not None
        }
        created = _go_time(view.get(buckets, b"createdat") or b"")
        return _Meta(text(image.decode("utf-8", "replace")), MappingProxyType(pairs) if pairs else NO_LABELS, created)

    for root_dir in root_dirs:
        path = f"{root_dir}/io.containerd.metadata.v1.bolt/meta.db"
        found = files.query(path, (namespace, id), lambda fd: ask(fd, question), version=version)
        if found is not None:
            return found
    return _Meta()


def _spec(data: bytes) -> _Spec | None:
    spec = parse_object(data)
    if not spec:
        return None
    return _Spec(
        labels(spec.get("annotations")),
        text(mapping(spec.get("linux")).get("cgroupsPath")),
        text(mapping(spec.get("root")).get("path")),
    )


def _init_pid(data: bytes) -> int | None:
    digits = data.strip()
    return pid(int(digits)) if digits.isdigit() and len(digits) < 12 else None


def _go_time(data: bytes) -> int | None:
    """Unix milliseconds of Go's binary time: version 1 or 2, seconds since year 1 (i64), nanoseconds (i32), zone."""
    if len(data) < 15 or data[0] not in {1, 2}:
        return None
    seconds, nanos = struct.unpack_from(">qi", data, 1)
    since_epoch = int(seconds) - _YEAR_1
    return since_epoch * 1000 + int(nanos) // 1_000_000 if since_epoch > 0 else None
