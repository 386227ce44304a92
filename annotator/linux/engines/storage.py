"""containers/storage, on which podman and CRI-O both keep their containers: who is in it, and the OCI config of each.

GRAPHROOT/DRIVER-containers/containers.json is a list of `id`, `names`, `image`, `created` and `metadata` (a JSON text
with `image-name` and `name`); GRAPHROOT/DRIVER-containers/ID/userdata/config.json is the OCI config, whose annotation
`io.container.manager` says whose the container is. Both engines write `io.kubernetes.cri-o.*` annotations, so these
alone do not mean CRI-O. Read from files that podman 4.3.1 wrote.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annotator.linux.engines.files import MAX_FILE
from annotator.linux.engines.state import (
    NO_LABELS,
    is_full_id,
    labels,
    mapping,
    millis,
    parse_json,
    parse_object,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from annotator.linux.engines.files import Files

DRIVERS: Final = ("overlay", "vfs", "btrfs", "zfs")
"""Storage drivers (containers-storage.conf(5)); each has its own `DRIVER-containers`."""

GRAPHROOT: Final = "/var/lib/containers/storage"
RUNROOT: Final = "/run/containers/storage"

_MAX_LISTED: Final = 8192  # containers of one store
_LIST_LIMIT: Final = 4 * MAX_FILE  # about 520 bytes a container; a user's own list gets a quarter of it
_LISTS: Final = ("containers.json", "volatile-containers.json")


class Listed(NamedTuple):
    """One entry of containers.json."""

    name: str = ""
    image: str = ""
    created_ms: int | None = None


class Config(NamedTuple):
    """What of an OCI config names a container. `manager` is `libpod`, `cri-o` or ""."""

    manager: str
    annotations: Mapping[str, str] = NO_LABELS
    cgroup: str = ""
    rootfs: str = ""


class Store(NamedTuple):
    """One user's containers. `run` is where volatile lists may be."""

    graph: str
    run: str
    owner: int = 0


NO_CONFIG: Final = Config("")


def root_store() -> Store:
    """Root's containers, where containers-storage.conf(5) has them by default."""
    return Store(GRAPHROOT, RUNROOT)


def user_store(owner: int, home: str) -> Store:
    """A rootless user's containers (containers-storage.conf(5): rootless_storage_path)."""
    return Store(f"{home}/.local/share/containers/storage", f"/run/user/{owner}/containers", owner)


def config(files: Files, store: Store, id: str) -> tuple[str, Config] | None:
    """The driver and the OCI config of a container; None when the store does not have it."""
    for driver in DRIVERS:
        for base in (store.graph, store.run):
            found = files.load(f"{base}/{driver}-containers/{id}/userdata/config.json", _config, owner=store.owner)
            if found is not None:
                return driver, found
    return None


def listed(files: Files, store: Store, id: str, *, driver: str = "") -> Listed:
    """The container's entry in the lists of the store; an empty one when there is none."""
    for one in (driver,) if driver else DRIVERS:
        for base in (store.graph, store.run):
            for name in _LISTS:
                path = f"{base}/{one}-containers/{name}"
                limit = MAX_FILE if store.owner else _LIST_LIMIT
                entries = files.load(path, _list, owner=store.owner, limit=limit)
                if entries is not None and id in entries:
                    return entries[id]
    return Listed()


def ids(files: Files, store: Store) -> list[str]:
    """All containers of the store, running or not."""
    found: set[str] = set()
    for driver in DRIVERS:
        for base in (store.graph, store.run):
            found.update(name for name in files.names(f"{base}/{driver}-containers") if is_full_id(name))
    return sorted(found)


def _config(data: bytes) -> Config | None:
    spec = parse_object(data)
    if not spec:
        return None
    said = labels(spec.get("annotations"))
    return Config(
        manager=said.get("io.container.manager", ""),
        annotations=said,
        cgroup=text(mapping(spec.get("linux")).get("cgroupsPath")),
        rootfs=text(mapping(spec.get("root")).get("path")),
    )


def _list(data: bytes) -> Mapping[str, Listed]:
    entries = parse_json(data)
    found: dict[str, Listed] = {}
    for entry in entries[:_MAX_LISTED] if isinstance(entries, list) else ():
        item = mapping(entry)
        id = text(item.get("id"))
        if is_full_id(id):
            found[id] = _entry(item)
    return MappingProxyType(found)


def _entry(item: Mapping[str, Any]) -> Listed:
    metadata = parse_object(text(item.get("metadata")).encode("utf-8", "replace"))
    names = item.get("names")
    first = text(names[0]) if isinstance(names, list) and names else ""
    return Listed(
        name=first or text(metadata.get("name")),
        image=text(metadata.get("image-name")),
        created_ms=millis(item.get("created")),
    )
