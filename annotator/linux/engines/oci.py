"""The OCI runtimes: runc's state.json and crun's status, under whatever engine calls them.

runc: ROOT/ID/state.json with `id`, `init_process_pid`, `init_process_start` (field 22 of /proc/PID/stat), `created`,
`cgroup_paths` (controller to directory), `config.labels` ("key=value": the OCI annotations, and `bundle=DIR`),
`config.rootfs`. crun: ROOT/ID/status with `pid`, `process-start-time`, `created`, `cgroup-path`, `rootfs`, `bundle`;
beside it a copy of the bundle's config.json. Read from files that runc 1.1.5 and crun 1.8.1 wrote. Neither keeps an
image name. A container called by hand has the id that was typed, which may come again for another container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annotator.linux.engines.state import (
    NO_LABELS,
    EngineState,
    integer,
    is_component,
    is_full_id,
    labels,
    mapping,
    millis,
    parse_object,
    pid,
    text,
    ticks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.linux.engines.files import Files

_MANAGERS: Final = {"libpod": "podman", "cri-o": "cri-o"}
_CGROUP_MOUNT: Final = "/sys/fs/cgroup"


class Oci(NamedTuple):
    """What an OCI runtime says of one container. `engine` is `runc` or `crun`."""

    engine: str
    id: str
    init_pid: int | None = None
    init_ticks: int | None = None
    created_ms: int | None = None
    cgroup: str = ""
    rootfs: str = ""
    bundle: str = ""
    annotations: Mapping[str, str] = NO_LABELS


def roots(owner: int) -> tuple[str, ...]:
    """Where this user's runtimes keep their state when nobody tells them otherwise (runc(8), crun(1): --root)."""
    base = f"/run/user/{owner}" if owner else "/run"
    return (f"{base}/runc", f"{base}/crun")


def read(files: Files, root: str, id: str, *, owner: int = 0) -> Oci | None:
    """The state of container `id` under one state root. runc's is asked first: a directory holds one of the two."""
    if not is_component(id):
        return None
    found = files.load(f"{root}/{id}/state.json", _runc, owner=owner)
    if found is not None:
        return found if found.id == id else None
    status = files.load(f"{root}/{id}/status", _crun, owner=owner)
    if status is None:
        return None
    said = files.load(f"{root}/{id}/config.json", _annotations, owner=owner)
    return status._replace(id=id, annotations=said or NO_LABELS)


def claims(files: Files, name: str, *, owner: int = 0, engine: str = "") -> list[EngineState]:
    """The containers of this id in the runtimes' own state roots: at most one of each runtime, or of `engine` only."""
    found = [state for root in roots(owner) if (state := read(files, root, name, owner=owner)) is not None]
    return [as_state(state, owner) for state in found if engine in {"", state.engine}]


def scan(files: Files, *, owner: int = 0) -> Iterator[EngineState]:
    """All containers under the runtimes' own state roots, whoever called them."""
    for root in roots(owner):
        for name in files.names(root):
            state = read(files, root, name, owner=owner)
            if state is not None:
                yield as_state(state, owner)


def as_state(oci: Oci, owner: int = 0) -> EngineState:
    """The container as one made by hand: its name is its id, unless an engine made the id and says so."""
    return EngineState(
        id=oci.id,
        engine=_MANAGERS.get(oci.annotations.get("io.container.manager", ""), oci.engine),
        name="" if is_full_id(oci.id) else oci.id,
        labels=oci.annotations,
        init_pid=oci.init_pid,
        init_ticks=oci.init_ticks,
        created_ms=oci.created_ms,
        cgroup=oci.cgroup,
        rootfs=oci.rootfs,
        owner=owner,
    )


def _runc(data: bytes) -> Oci | None:
    state = parse_object(data)
    config = mapping(state.get("config"))
    pairs = _pairs(config.get("labels"))
    name = text(state.get("id"))
    if not name:
        return None
    return Oci(
        engine="runc",
        id=name,
        init_pid=pid(state.get("init_process_pid")),
        init_ticks=ticks(integer(state.get("init_process_start"))),
        created_ms=millis(state.get("created")),
        cgroup=_cgroup(mapping(state.get("cgroup_paths"))),
        rootfs=text(config.get("rootfs")),
        bundle=pairs.pop("bundle", ""),
        annotations=labels(pairs),
    )


def _crun(data: bytes) -> Oci | None:
    state = parse_object(data)
    if not state:
        return None
    return Oci(
        engine="crun",
        id="",
        init_pid=pid(state.get("pid")),
        init_ticks=ticks(integer(state.get("process-start-time"))),
        created_ms=millis(state.get("created")),
        cgroup=text(state.get("cgroup-path")),
        rootfs=text(state.get("rootfs")),
        bundle=text(state.get("bundle")),
    )


def _annotations(data: bytes) -> Mapping[str, str]:
    return labels(parse_object(data).get("annotations"))


def _pairs(value: Any) -> dict[str, str]:
    """The "key=value" list of runc."""
    found: dict[str, str] = {}
    for item in value[:512] if isinstance(value, list) else ():
        key, equals, rest = text(item).partition("=")
        if equals:
            found[key] = rest
    return found


def _cgroup(paths: Mapping[str, Any]) -> str:
    """The path below the hierarchy's mount: v2's (key "") where it is there, else systemd's own, else any.

    On a hybrid machine v2 is mounted at `unified`, and a v1 controller below its own name (or its pair's).
    """
    for key in ("", "name=systemd", *sorted(paths)):
        path = text(paths.get(key))
        if not path.startswith(_CGROUP_MOUNT + "/"):
            continue
        path = path[len(_CGROUP_MOUNT) :]
        mount, _, rest = path[1:].partition("/")
        return path if not key and mount != "unified" else "/" + rest
    return ""
