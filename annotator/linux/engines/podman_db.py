"""podman's database: names, labels and pods, which its other files do not have.

Up to podman 4.7 it is BoltDB, GRAPHROOT/libpod/bolt_state.db: ctr/ID/config and pod/ID/config hold JSON (read from a
file of podman 4.3.1). Later it is SQLite, GRAPHROOT/db.sql: ContainerConfig(ID, Name, PodID, JSON),
ContainerState(ID, State, ExitCode, JSON), PodConfig(ID, Name, JSON) (podman: libpod/sqlite_state_internal.go).

The SQLite file may be a rootless user's own work. SQLite never opens it: given a path it would resolve links itself
and could wait at a FIFO, so it gets the bytes that came through the door. No lock, no journal and no other file is
touched; the schema is not trusted, an authorizer allows the three tables and nothing else, and a query has a bound on
its steps. A snapshot taken in the middle of a commit either reads as damaged, or as it was before; it is not kept.
"""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annotator.linux.engines.bolt import Bolt, ask, version
from annotator.linux.engines.files import read_whole
from annotator.linux.engines.state import NO_LABELS, labels, mapping, millis, parse_object, pid, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from annotator.linux.engines.files import Files
    from annotator.linux.engines.storage import Store

_TABLES: Final = frozenset({"ContainerConfig", "ContainerState", "PodConfig"})
_STEPS: Final = 200_000
"""Virtual machine instructions of one query; one by primary key takes about 20."""

_MAX_DB: Final = 16 * 2**20
"""Bytes of db.sql: some 1,200 containers. Beyond it names come from containers.json."""

_MAX_VALUE: Final = 2**20
"""Bytes of one value; a container's JSON takes about 12 kB."""


class Row(NamedTuple):
    """One container in the database. `infra` is the container that only holds a pod's namespaces."""

    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = NO_LABELS
    pod: str = ""
    pod_name: str = ""
    created_ms: int | None = None
    init_pid: int | None = None
    infra: bool = False


class Snapshot:
    """One content of db.sql, held in memory as long as the file stays as it is."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __del__(self) -> None:
        self._db.close()

    def row(self, id: str) -> Row | None:
        """The container's row; None without one, or where the database is damaged."""
        try:
            config = self._one("SELECT JSON FROM ContainerConfig WHERE ID = ?", id)
            if not config:
                return None
            state = self._one("SELECT JSON FROM ContainerState WHERE ID = ?", id)
            row = _row(_object(config), _object(state), id)
            if row is None or not row.pod:
                return row
            return row._replace(pod_name=text(self._one("SELECT Name FROM PodConfig WHERE ID = ?", row.pod)))
        except (sqlite3.Error, UnicodeDecodeError):  # the text of sqlite's own message may be damaged, too
            return None

    def _one(self, query: str, key: str) -> str:
        """The first column of the first row as text, "" without a row."""
        row = self._db.execute(query, (key,)).fetchone()
        value = row[0] if row else ""
        if isinstance(value, bytes):  # Go binds the JSON as bytes, so its column holds a BLOB whatever it is declared
            return _decode(value)
        return value if isinstance(value, str) else ""


def lookup(files: Files, store: Store, id: str) -> Row | None:
    """The container's row, from SQLite where podman has changed to it, else from BoltDB; None without one."""
    snapshot = files.query(f"{store.graph}/db.sql", _snapshot, _snapshot, owner=store.owner, version=_change)
    row = snapshot.row(id) if snapshot is not None else None
    if row is not None:
        return row
    path = f"{store.graph}/libpod/bolt_state.db"
    question = partial(_bolt, id=id)
    return files.query(path, id, lambda fd: ask(fd, question), owner=store.owner, version=version)


def _bolt(view: Bolt, id: str) -> Row | None:
    key = id.encode("utf-8", "replace")
    config = view.get((b"ctr", key), b"config")
    if config is None:
        return None
    state = view.get((b"ctr", key), b"state") or b""
    row = _row(parse_object(config), parse_object(state), id)
    pod = view.get((b"pod", row.pod.encode("utf-8", "replace")), b"config") if row is not None and row.pod else None
    if row is None or pod is None:
        return row
    return row._replace(pod_name=text(parse_object(pod).get("name")))


def _snapshot(fd: int) -> Snapshot | None:
    """The database in memory. In WAL mode (bytes 18 and 19 of the file are 2) memory has no log: they become 1."""
    data = read_whole(fd, _MAX_DB)
    if data is None or not data.startswith(b"SQLite format 3\0"):
        return None
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.deserialize(data[:18] + b"\1\1" + data[20:] if data[18:20] == b"\2\2" else data)
        db.text_factory = _decode
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
        db.set_authorizer(_allow)
        db.set_progress_handler(lambda: 1, _STEPS)
    except (sqlite3.Error, OverflowError):
        db.close()
        return None
    return Snapshot(db)


def _change(fd: int) -> bytes:
    """The file change counter, bytes 24 to 27, which each transaction raises (sqlite.org/fileformat2.html)."""
    try:
        return os.pread(fd, 4, 24)
    except OSError:
        return b""


def _allow(action: int, table: str | None, column: str | None, base: str | None, within: str | None) -> int:
    """Plain reads of the three tables; no views over others, no functions, no recursion, no attached files."""
    del column, base
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    plain = action == sqlite3.SQLITE_READ and table in _TABLES and within is None
    return sqlite3.SQLITE_OK if plain else sqlite3.SQLITE_DENY


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _object(value: str) -> Mapping[str, Any]:
    return parse_object(value.encode("utf-8", "replace"))


def _row(config: Mapping[str, Any], state: Mapping[str, Any], id: str) -> Row | None:
    if config.get("id") != id:
        return None
    return Row(
        name=text(config.get("name")),
        image=text(config.get("rootfsImageName")) or text(config.get("RawImageName")),
        labels=labels(mapping(config.get("labels"))),
        pod=text(config.get("pod")),
        created_ms=millis(config.get("createdTime")),
        init_pid=pid(state.get("pid")),
        infra=config.get("pause") is True,
    )
