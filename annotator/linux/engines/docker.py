"""dockerd: containers/ID/config.v2.json, and what its runc says of the init process.

Keys (docker 20.10.24): `ID`, `Name` (with a leading slash), `Config.Image` (the reference as typed), `Image` (the
image's digest), `Config.Labels`, `Created`, `State.Pid`. Kubernetes' and Compose's names are labels. The data root is
/var/lib/docker, below it UID.GID with `userns-remap`, and ~/.local/share/docker for a rootless daemon (docker's
documentation; the last two were not recorded on a real machine).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from annotator.linux.engines import oci
from annotator.linux.engines.state import EngineState, is_full_id, labels, mapping, millis, parse_object, pid, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.linux.engines.files import Files

ENGINE: Final = "docker"
_DATA: Final = "/var/lib/docker"
_REMAPPED: Final = re.compile(r"\d{1,10}\.\d{1,10}\Z", re.ASCII)
_SANDBOX: Final = "podsandbox"  # io.kubernetes.docker.type, as dockershim and cri-dockerd set it


def lookup(files: Files, id: str, *, owner: int = 0, home: str = "") -> EngineState | None:
    """The container of this full id, of root's daemon or (with an owner and a home) of that user's."""
    for data in _roots(files, owner, home):
        state = files.load(f"{data}/containers/{id}/config.v2.json", _config, owner=owner)
        if state is not None and state.id == id:
            return _with_runc(files, state, owner)
    return None


def scan(files: Files, *, owner: int = 0, home: str = "") -> Iterator[EngineState]:
    """All containers the daemon knows, also stopped ones (these without an init pid)."""
    for data in _roots(files, owner, home):
        for id in files.names(f"{data}/containers"):
            if is_full_id(id):
                state = lookup(files, id, owner=owner, home=home)
                if state is not None:
                    yield state


def _roots(files: Files, owner: int, home: str) -> list[str]:
    """The data roots to look in: the default, what daemon.json says, and those of remapped users below each."""
    if owner:
        return [f"{home}/.local/share/docker"] if home else []
    found = [_DATA]
    moved = files.load("/etc/docker/daemon.json", _data_root, limit=2**16)
    if moved and moved.rstrip("/") != _DATA:
        found.insert(0, moved.rstrip("/"))
    for base in tuple(found):
        remapped = [name for name in files.names(base, limit=64) if _REMAPPED.match(name)]
        found += [f"{base}/{name}" for name in remapped[:8]]
    return found


def _data_root(data: bytes) -> str:
    """`data-root` of dockerd's daemon.json, an absolute path or ""."""
    path = text(parse_object(data).get("data-root"))
    return path if path.startswith("/") else ""


def _config(data: bytes) -> EngineState | None:
    config = parse_object(data)
    inner, state = mapping(config.get("Config")), mapping(config.get("State"))
    name, tags = text(config.get("ID")), labels(inner.get("Labels"))
    if not is_full_id(name):
        return None
    return EngineState(
        id=name,
        engine=ENGINE,
        name=text(config.get("Name")).removeprefix("/"),
        image=text(inner.get("Image")) or text(config.get("Image")),
        labels=tags,
        pod=tags.get("io.kubernetes.pod.uid", ""),
        pod_name=tags.get("io.kubernetes.pod.name", ""),
        namespace=tags.get("io.kubernetes.pod.namespace", ""),
        init_pid=pid(state.get("Pid")),
        created_ms=millis(config.get("Created")),
        sandbox=tags.get("io.kubernetes.docker.type", "") == _SANDBOX,
    )


def _with_runc(files: Files, state: EngineState, owner: int) -> EngineState:
    """Add the start of init, the cgroup and the root, when runc's state is about the same init."""
    base = f"/run/user/{owner}/docker" if owner else "/run/docker"
    found = oci.read(files, f"{base}/runtime-runc/moby", state.id, owner=owner)
    if found is None:
        return replace(state, owner=owner)
    same = found.init_pid is not None and found.init_pid == state.init_pid
    return replace(
        state, owner=owner, init_ticks=found.init_ticks if same else None, cgroup=found.cgroup, rootfs=found.rootfs
    )
