"""podman, root's and rootless: the OCI config, containers.json, the database, and its OCI runtime's state.

The annotation `io.container.manager=libpod` of the OCI config makes a container podman's, and so does a row in its
database. Names and images are in containers.json, labels and pods only in the database. The annotation
`io.kubernetes.cri-o.SandboxID` is the pod's id where the pod has no infra container and the infra container's id where
it has one (both seen with podman 4.3.1), so a pod is never taken from it. A store that is elsewhere (graphroot in
storage.conf) is found by the bundle that the OCI runtime remembers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from annotator.linux.engines import oci, podman_db, storage
from annotator.linux.engines.state import EngineState, is_full_id, millis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.linux.engines.files import Files

ENGINE: Final = "podman"
_MANAGER: Final = "libpod"
_BUNDLE: Final = re.compile(rf"(/.*)/(?:{'|'.join(storage.DRIVERS)})-containers/[0-9a-f]{{64}}/userdata\Z")
_POD_CGROUP: Final = re.compile(
    r"/([0-9a-f]{64})/libpod-[0-9a-f]{64}\Z"  # the cgroupfs manager
    r"|libpod_pod_([0-9a-f]{64})\.slice(?::|/|\Z)"  # systemd: slice:libpod:ID, or the path
)


def lookup(files: Files, id: str, *, owner: int = 0, home: str = "") -> EngineState | None:
    """The container of this full id, root's or (with an owner) that user's."""
    runtime = _runtime(files, id, owner)
    for store in _stores(owner, home, runtime):
        row = podman_db.lookup(files, store, id)
        driver, config = storage.config(files, store, id) or ("", storage.NO_CONFIG)
        if config.manager == _MANAGER or (row is not None and not config.manager):
            return _state(files, store, driver, config, runtime, row or podman_db.Row(), id)
    return None


def scan(files: Files, *, owner: int = 0, home: str = "") -> Iterator[EngineState]:
    """All containers of a user's store and of that user's OCI runtimes, running or not."""
    known: set[str] = set()
    for store in _stores(owner, home, None):
        known.update(storage.ids(files, store))
    for root in oci.roots(owner):
        known.update(name for name in files.names(root) if is_full_id(name))
    for id in sorted(known):
        state = lookup(files, id, owner=owner, home=home)
        if state is not None:
            yield state


def _runtime(files: Files, id: str, owner: int) -> oci.Oci | None:
    for root in oci.roots(owner):
        found = oci.read(files, root, id, owner=owner)
        if found is not None:
            return found
    return None


def _stores(owner: int, home: str, runtime: oci.Oci | None) -> list[storage.Store]:
    """Where to look: the default place, and where the runtime's bundle lies."""
    stores = []
    if not owner:
        stores.append(storage.root_store())
    elif home:
        stores.append(storage.user_store(owner, home))
    found = _BUNDLE.match(runtime.bundle) if runtime is not None else None
    if found is not None and found[1] not in {store.graph for store in stores}:
        run = f"/run/user/{owner}/containers" if owner else storage.RUNROOT
        stores.append(storage.Store(found[1], run, owner))
    return stores


def _state(
    files: Files,
    store: storage.Store,
    driver: str,
    config: storage.Config,
    runtime: oci.Oci | None,
    row: podman_db.Row,
    id: str,
) -> EngineState:
    entry = storage.listed(files, store, id, driver=driver)
    said = config.annotations
    created = row.created_ms or millis(said.get("io.kubernetes.cri-o.Created")) or entry.created_ms
    in_pod = _POD_CGROUP.search(config.cgroup)
    return EngineState(
        id=id,
        engine=ENGINE,
        name=row.name or entry.name,
        image=row.image or entry.image,
        labels=row.labels,
        pod=row.pod or (in_pod[1] or in_pod[2] if in_pod else ""),
        pod_name=row.pod_name,
        init_pid=runtime.init_pid if runtime is not None else row.init_pid,
        init_ticks=runtime.init_ticks if runtime is not None else None,
        created_ms=created,
        sandbox=row.infra or said.get("io.kubernetes.cri-o.ContainerType", "") == "sandbox",
        cgroup=(runtime.cgroup if runtime is not None else "") or config.cgroup,
        owner=store.owner,
        rootfs=config.rootfs,
    )
