"""LXC called by hand, and Incus and LXD, which call liblxc.

LXC: LXCPATH/NAME/config, lines of `key = value` (lxc.container.conf(5)); LXCPATH is /var/lib/lxc, or `lxc.lxcpath` of
/etc/lxc/lxc.conf, or ~/.local/share/lxc for a user's own containers (lxc.system.conf(5)). The name is the directory's;
`lxc.uts.name` is only the host name. Read from a file of LXC 5.0.2.

Incus and LXD: lxc.conf in their run or log directory, whose pre-start hook is
`/proc/PID/exe callhook DIR "PROJECT" "NAME" start`, and DIR/containers/NAME/backup.yaml with the image's description
(incus: internal/server/instance/drivers/driver_lxc.go, internal/server/backup/config). liblxc's name is NAME, or
PROJECT_NAME outside the project `default`. From the source, not from files recorded on a machine.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.linux.engines.state import (
    MAX_LABELS,
    NO_LABELS,
    EngineState,
    is_component,
    labels,
    millis,
    parse_json,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.linux.engines.files import Files

ENGINE: Final = "lxc"
_LXCPATH: Final = "/var/lib/lxc"
_CONF_LIMIT: Final = 2**20
_HOOK: Final = re.compile(r'/proc/\d+/exe callhook \S+ "?([^"\s]+)"? "?([^"\s]+)"? start\Z')


class _Daemon(NamedTuple):
    """Where one of the two daemons keeps its files: `runs` hold NAME/lxc.conf, `base` the containers."""

    engine: str
    runs: tuple[str, ...]
    base: str


_DAEMONS: Final = (
    _Daemon("incus", ("/run/incus", "/var/log/incus"), "/var/lib/incus"),
    _Daemon("lxd", ("/run/lxd", "/var/log/lxd"), "/var/lib/lxd"),
    _Daemon("lxd", ("/var/snap/lxd/common/lxd/logs",), "/var/snap/lxd/common/lxd"),
)


class _Backup(NamedTuple):
    """What backup.yaml says of its container."""

    name: str = ""
    project: str = ""
    image: str = ""
    uuid: str = ""
    created_ms: int | None = None
    config: Mapping[str, str] = NO_LABELS


def claims(files: Files, name: str, *, owner: int = 0, home: str = "", engine: str = "") -> list[EngineState]:
    """The containers that liblxc calls `name`: one of each engine, and of each LXCPATH, that has it."""
    if not is_component(name):
        return []
    found: list[EngineState] = []
    if engine in {"", ENGINE}:
        found += [state for path in _paths(files, owner, home) if (state := _plain(files, path, name, owner))]
    if not owner:
        found += [state for one in _DAEMONS if engine in {"", one.engine} and (state := _managed(files, one, name))]
    return found


def scan(files: Files, *, owner: int = 0, home: str = "") -> Iterator[EngineState]:
    """All containers that are defined, running or not."""
    for path in _paths(files, owner, home):
        for name in files.names(path):
            state = _plain(files, path, name, owner)
            if state is not None:
                yield state
    for one in () if owner else _DAEMONS:
        names = {name for base in (*one.runs, f"{one.base}/containers") for name in files.names(base)}
        for name in sorted(names):
            state = _managed(files, one, name)
            if state is not None:
                yield state


def _paths(files: Files, owner: int, home: str) -> list[str]:
    if owner:
        return [f"{home}/.local/share/lxc"] if home else []
    system = files.load("/etc/lxc/lxc.conf", _config, limit=_CONF_LIMIT) or {}
    set_path = system.get("lxc.lxcpath", "")
    return [_LXCPATH, set_path] if set_path.startswith("/") and set_path != _LXCPATH else [_LXCPATH]


def _plain(files: Files, path: str, name: str, owner: int) -> EngineState | None:
    config = files.load(f"{path}/{name}/config", _config, owner=owner, limit=_CONF_LIMIT)
    if not config:
        return None
    payload = config.get("lxc.cgroup.dir.container", "")
    parent = config.get("lxc.cgroup.dir", "")
    cgroup = f"/{payload}" if payload else f"/{parent}/lxc.payload.{name}" if parent else f"/lxc.payload.{name}"
    kind, colon, rest = config.get("lxc.rootfs.path", "").partition(":")
    return EngineState(
        id=name,
        engine=ENGINE,
        name=name,
        cgroup=re.sub("/+", "/", cgroup),
        rootfs=rest if colon else kind,
        owner=owner,
    )


def _managed(files: Files, daemon: _Daemon, name: str) -> EngineState | None:
    """The container of Incus or LXD. The hook's words must make up the name we asked for."""
    backup = files.load(f"{daemon.base}/containers/{name}/backup.yaml", _backup)
    project = instance = ""
    rootfs = ""
    for run in daemon.runs:
        config = files.load(f"{run}/{name}/lxc.conf", _config, limit=_CONF_LIMIT)
        hook = _HOOK.search(config.get("lxc.hook.pre-start", "")) if config else None
        if config and hook is not None:
            project, instance = hook[1], hook[2]
            rootfs = config.get("lxc.rootfs.path", "").removeprefix("dir:")
            break
    if backup is None and not instance:
        return None
    said = backup or _Backup()
    project, instance = project or said.project or "default", instance or said.name
    if name != (instance if project == "default" else f"{project}_{instance}"):
        return None
    state = EngineState(id=name, engine=daemon.engine, name=instance, namespace=project, rootfs=rootfs)
    return replace(
        state,
        image=said.image,
        labels=said.config,
        uuid=said.uuid,
        created_ms=said.created_ms,
        cgroup=f"/lxc.payload.{name}",
    )


def _config(data: bytes) -> Mapping[str, str]:
    """The first value of each key of an LXC configuration."""
    found: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        key = key.strip()
        if equals and not key.startswith("#") and len(found) < 1024:
            found.setdefault(text(key), text(value.strip()))
    return MappingProxyType(found)


def _backup(data: bytes) -> _Backup | None:
    """The few lines of backup.yaml we want, as Go's YAML writer lays them out: block style, two or four blanks deep.

    `container` (or `instance`) is a top-level mapping with `name`, `project`, `created_at`, and `config`, whose keys
    are plain words such as `image.description`. Anything else in the file is passed over.
    """
    top = section = ""
    own: dict[str, str] = {}
    config: dict[str, str] = {}
    step = 0
    for line in data.decode("utf-8", "replace").splitlines():
        depth = len(line) - len(line.lstrip(" "))
        key, colon, value = line.strip().partition(":")
        if not colon or key.startswith(("-", "#")):
            continue
        if depth == 0:
            top, step = key, 0
        elif top in {"container", "instance"}:
            step = step or depth
            if depth == step:
                section = key
                own.setdefault(key, _scalar(value))
            elif depth == 2 * step and section == "config":
                config[text(_scalar(key))] = _scalar(value)
    if not own:
        return None
    kept = {key: value for key, value in config.items() if key.startswith(("user.", "image.")) and value}
    return _Backup(
        name=own.get("name", ""),
        project=own.get("project", ""),
        image=config.get("image.description", "") or config.get("image.os", ""),
        uuid=config.get("volatile.uuid", ""),
        created_ms=millis(own.get("created_at", "")),
        config=labels(dict(list(kept.items())[:MAX_LABELS])),
    )


def _scalar(value: str) -> str:
    """A plain, 'single' or "double" quoted YAML scalar on one line; "" for what goes on in other lines."""
    value = value.strip()
    if value.startswith('"'):
        return text(parse_json(value.encode("utf-8", "replace")))
    if value.startswith("'") and value.endswith("'") and len(value) > 1:
        return text(value[1:-1].replace("''", "'"))
    return "" if value[:1] in {"|", ">", "&", "*", "{", "["} else text(value)
