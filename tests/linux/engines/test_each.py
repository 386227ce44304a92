"""Each engine's own files: databases, pods, other places, and what must not be taken for something else."""

from __future__ import annotations

import json
import sqlite3
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.linux.engines import Engines, EngineState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Put = Callable[..., Path]

ID, OTHER, POD = "ab" * 32, "cd" * 32, "ef" * 32
STORE = "/var/lib/containers/storage"
CONFIG = f"{STORE}/overlay-containers/{ID}/userdata/config.json"
TASKS = "/run/containerd/io.containerd.runtime.v2.task"
LIBPOD = {"io.container.manager": "libpod"}


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., EngineState]]:
    """A question that must have an answer."""
    engines = Engines(tmp_path)

    def question(id_: str = ID, **more: Any) -> EngineState:
        found = engines.lookup(id_, **more)
        assert found is not None
        return found

    yield question
    engines.close()


def database(path: Path, *, wal: bool = False, script: str = "") -> bytes:
    """A db.sql with one container in a pod, its columns as podman declares them."""
    db = sqlite3.connect(path)
    if wal:
        db.execute("PRAGMA journal_mode = WAL")
    db.executescript(
        script
        or """CREATE TABLE ContainerConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE, PodID TEXT, JSON TEXT);
        CREATE TABLE ContainerState(ID TEXT PRIMARY KEY NOT NULL, State INTEGER, ExitCode INTEGER, JSON TEXT NOT NULL);
        CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT NOT NULL);"""
    )
    config = {
        "id": ID, "name": "web", "pod": POD, "labels": {"a": "b"}, "rootfsImageName": "image:1", "pause": False,
        "createdTime": "2026-11-21T21:19:39.186776786+02:00",
    }  # fmt: skip
    if not script:
        # As Go binds it: bytes, so a BLOB in a TEXT column.
        db.execute("INSERT INTO ContainerConfig VALUES (?, 'web', ?, ?)", (ID, POD, json.dumps(config).encode()))
        db.execute("INSERT INTO ContainerState VALUES (?, 3, -1, ?)", (ID, json.dumps({"pid": 42})))
        db.execute("INSERT INTO PodConfig VALUES (?, 'mypod', '{}')", (POD,))
    db.commit()
    db.close()
    return path.read_bytes()


@pytest.mark.parametrize("wal", [False, True])
def test_podman_sqlite(put: Put, ask: Callable[..., EngineState], tmp_path: Path, *, wal: bool) -> None:
    """Names, labels, pod, pid and creation come from db.sql, whatever its journal mode."""
    put(f"{STORE}/db.sql", database(tmp_path / "made.sql", wal=wal))
    state = ask()
    assert (state.name, state.image, dict(state.labels)) == ("web", "image:1", {"a": "b"})
    assert (state.engine, state.pod, state.pod_name, state.init_pid) == ("podman", POD, "mypod", 42)
    assert (state.created_ms, state.sandbox) == (1795288779186, False)


def test_podman_sqlite_is_read_again_when_it_changes(put: Put, ask: Callable[..., EngineState], tmp_path: Path) -> None:
    """A row changed in place, in the same file of the same size, is seen."""
    path = put(f"{STORE}/db.sql", database(tmp_path / "made.sql"))
    assert ask().name == "web"
    db = sqlite3.connect(path)
    db.execute("UPDATE ContainerConfig SET JSON = replace(CAST(JSON AS TEXT), '\"web\"', '\"new\"')")
    db.commit()
    db.close()
    assert ask().name == "new"


@pytest.mark.parametrize(
    "script",
    [
        "CREATE VIEW ContainerConfig AS WITH RECURSIVE c(ID, JSON) AS (SELECT 1, 2 UNION ALL SELECT ID + 1, 2 FROM c) "
        "SELECT * FROM c",
        "CREATE VIEW ContainerConfig AS SELECT sql AS ID, load_extension('x') AS JSON FROM sqlite_master",
        f"CREATE TABLE ContainerConfig(ID TEXT, JSON TEXT AS (CAST(zeroblob(900000000) AS TEXT))); "
        f"INSERT INTO ContainerConfig(ID) VALUES ('{ID}')",
        f"CREATE TABLE ContainerConfig(ID TEXT, JSON TEXT); "
        f"INSERT INTO ContainerConfig VALUES ('{ID}', zeroblob(3000000))",
        f"CREATE TABLE ContainerConfig(ID TEXT, JSON TEXT); INSERT INTO ContainerConfig VALUES ('{ID}', '[[[')",
        "CREATE TABLE other(x)",
    ],
)
def test_a_hostile_database_says_nothing(
    put: Put, ask: Callable[..., EngineState], tmp_path: Path, script: str
) -> None:
    """Endless views, functions, huge values and wrong schemas cost little, and leave the name to containers.json."""
    put(f"{STORE}/db.sql", database(tmp_path / "made.sql", script=script))
    put(CONFIG, {"annotations": LIBPOD})
    put(f"{STORE}/overlay-containers/containers.json", [{"id": ID, "names": ["listed"]}])
    assert ask().name == "listed"


@cache
def undamaged_database() -> bytes:
    """One database, made once: SQLite waits for the disk."""
    with TemporaryDirectory() as folder:
        return database(Path(folder) / "made.sql")


@given(
    cut=st.integers(0, 40000),
    flips=st.lists(st.tuples(st.integers(16, 40000), st.integers(1, 255)), max_size=20),
)
def test_a_damaged_database_says_nothing_or_something(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    """A database cut short, or with wrong bytes anywhere, never raises."""
    root = tmp_path_factory.mktemp("damaged")
    data = bytearray(undamaged_database())
    for at, mask in flips:
        data[at % len(data)] ^= mask
    (root / STORE.lstrip("/")).mkdir(parents=True)
    (root / STORE.lstrip("/") / "db.sql").write_bytes(bytes(data[: max(cut, 100)]))
    engines = Engines(root, owners=False)
    engines.lookup(ID)
    engines.close()


def test_podman_bolt_in_a_tree(put: Put, ask: Callable[..., EngineState], bolt_file: Callable[..., bytes]) -> None:
    """The infra container of a pod is its sandbox."""
    row = {"id": ID, "name": "x-infra", "pod": POD, "pause": True}
    tree = {b"ctr": {ID.encode(): {b"config": json.dumps(row).encode(), b"state": b"{}"}}, b"pod": {}}
    put(f"{STORE}/libpod/bolt_state.db", bolt_file(tree))
    state = ask()
    assert (state.name, state.sandbox, state.pod, state.pod_name) == ("x-infra", True, POD, "")


@pytest.mark.parametrize(
    "cgroup",
    [f"/libpod_parent/{POD}/libpod-{ID}", f"machine-libpod_pod_{POD}.slice:libpod:{ID}"],
)
def test_podman_pod_of_the_cgroup(put: Put, ask: Callable[..., EngineState], cgroup: str) -> None:
    """Without a database the pod is in the cgroup path, never the annotation SandboxID, which may be a container."""
    said = LIBPOD | {"io.kubernetes.cri-o.SandboxID": OTHER, "io.kubernetes.cri-o.ContainerType": "container"}
    put(CONFIG, {"annotations": said, "linux": {"cgroupsPath": cgroup}})
    assert (ask().pod, ask().sandbox) == (POD, False)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_podman_elsewhere(put: Put, ask: Callable[..., EngineState], runtime: str) -> None:
    """A store that storage.conf has moved is found by the bundle the OCI runtime remembers."""
    bundle = f"/data/containers/vfs-containers/{ID}/userdata"
    put(f"{bundle}/config.json", {"annotations": LIBPOD})
    put("/data/containers/vfs-containers/containers.json", [{"id": ID, "names": ["moved"]}])
    put(f"/run/runc/{ID}/state.json", {"id": ID, "config": {"labels": [f"bundle={bundle}"]}})
    if runtime == "crun":
        put(f"/run/runc/{ID}/state.json", b"")
        put(f"/run/crun/{ID}/status", {"pid": 5, "process-start-time": 6, "bundle": bundle})
    assert ask().name == "moved"


CRIO = {
    "io.container.manager": "cri-o",
    "io.kubernetes.cri-o.ContainerID": ID,
    "io.kubernetes.cri-o.ContainerName": "k8s_main_poda_ns_uid_0",
    "io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri-o.KubeName": "poda",
    "io.kubernetes.cri-o.Namespace": "ns",
    "io.kubernetes.cri-o.ImageName": "registry/image:1",
    "io.kubernetes.cri-o.Labels": json.dumps({"io.kubernetes.pod.uid": "u-1", "io.kubernetes.container.name": "main"}),
    "io.kubernetes.cri-o.Metadata": '{"name":"main","attempt":0}',
    "io.kubernetes.cri-o.Created": "2026-11-21T21:19:39Z",
}


@pytest.mark.parametrize(("start", "ticks"), [("1234", 1234), (1795288779, None), ("x", None), ("", None)])
def test_crio(put: Put, ask: Callable[..., EngineState], start: object, ticks: int | None) -> None:
    """CRI-O's names, and its init with a start only where it is written in ticks (early versions wrote seconds)."""
    put(CONFIG, {"annotations": CRIO, "linux": {"cgroupsPath": "kubepods-x.slice:crio:" + ID}})
    put(CONFIG.replace("config.json", "state.json"), {"initPid": 77, "initStartTime": start})
    state = ask()
    assert (state.engine, state.name, state.image) == ("cri-o", "main", "registry/image:1")
    assert (state.pod, state.pod_name, state.namespace) == ("u-1", "poda", "ns")
    assert (state.init_pid, state.init_ticks, state.created_ms) == (77, ticks, 1795295979000)


def test_crio_sandbox(put: Put, ask: Callable[..., EngineState]) -> None:
    """The sandbox has the name of its pod; its uid may be in the metadata only."""
    said = CRIO | {
        "io.kubernetes.cri-o.ContainerType": "sandbox",
        "io.kubernetes.cri-o.Labels": "not json",
        "io.kubernetes.cri-o.Metadata": '{"name":"poda","uid":"u-2","namespace":"ns"}',
    }
    put(CONFIG, {"annotations": said})
    assert (ask().name, ask().pod, ask().sandbox) == ("poda", "u-2", True)


def test_podman_is_not_crio(put: Put, ask: Callable[..., EngineState]) -> None:
    """Podman writes cri-o annotations too; the manager decides. An id of another container is not believed."""
    put(CONFIG, {"annotations": CRIO | LIBPOD})
    assert ask().engine == "podman"
    put(CONFIG, {"annotations": CRIO | {"io.kubernetes.cri-o.ContainerID": OTHER}})
    put(f"/run/runc/{ID}/state.json", {"id": ID})
    assert ask().engine == "runc"


def meta_db(make: Callable[..., bytes], namespace: bytes, id_: bytes) -> bytes:
    """Containerd's metadata of one container."""
    created = b"\1" + struct.pack(">qih", 62135596800 + 1795295979, 186_000_000, -1)
    labels = {b"nerdctl/name": b"web", b"team": b"sec"}
    one = {b"image": b"docker.io/library/busybox:1", b"createdat": created, b"labels": labels}
    return make({b"v1": {namespace: {b"containers": {id_: one}}, b"version": b"\4"}})


@pytest.mark.parametrize(
    ("state_dir", "root_dir"),
    [("/run/containerd", "/var/lib/containerd"), ("/run/k3s/containerd", "/var/lib/rancher/rke2/agent/containerd")],
)
def test_containerd_metadata(
    put: Put, ask: Callable[..., EngineState], bolt_file: Callable[..., bytes], state_dir: str, root_dir: str
) -> None:
    """Image, labels, creation and nerdctl's name are in the metadata store, here also where RKE2 has it."""
    put(f"{state_dir}/io.containerd.runtime.v2.task/default/{ID}/config.json", {"root": {"path": "rootfs"}})
    put(f"{root_dir}/io.containerd.metadata.v1.bolt/meta.db", meta_db(bolt_file, b"default", ID.encode()))
    state = ask()
    assert (state.engine, state.name, state.image) == ("containerd", "web", "docker.io/library/busybox:1")
    assert state.labels["team"] == "sec"
    assert state.created_ms == 1795295979186


def test_containerd_two_namespaces(put: Put, tmp_path: Path) -> None:
    """One name in two namespaces is ambiguous."""
    put(f"{TASKS}/a/web/config.json", {"root": {}})
    engines = Engines(tmp_path)
    assert engines.confirm("web", "containerd") is not None
    put(f"{TASKS}/b/web/config.json", {"root": {}})
    assert engines.confirm("web", "containerd") is None
    engines.close()


def test_containerd_with_its_state_elsewhere(put: Put, tmp_path: Path) -> None:
    """Its runtime's state is in the usual place: a container that has both is one, in two namespaces it is two."""
    engines = Engines(tmp_path)
    put("/run/containerd/runc/lab/web/state.json", {"id": "web", "init_process_pid": 40, "init_process_start": 9})
    state = engines.confirm("web")
    assert state is not None
    assert (state.engine, state.id, state.name, state.init_pid) == ("containerd", "web", "web", 40)
    put(f"{TASKS}/lab/web/config.json", {"root": {}})
    assert engines.confirm("web", "containerd") is not None
    put("/run/containerd/runc/other/web/state.json", {"id": "web", "init_process_pid": 41, "init_process_start": 9})
    assert engines.confirm("web", "containerd") is None
    engines.close()


def test_init_of_another_life(put: Put, ask: Callable[..., EngineState]) -> None:
    """When bundle and runc name different init pids, no start time is given for either."""
    put(f"{TASKS}/default/{ID}/config.json", {"root": {}})
    put(f"{TASKS}/default/{ID}/init.pid", "41")
    put(f"/run/containerd/runc/default/{ID}/state.json", {"id": ID, "init_process_pid": 40, "init_process_start": 9})
    assert (ask().init_pid, ask().init_ticks) == (41, None)


@pytest.mark.parametrize(
    "root", ["/var/lib/docker", "/var/lib/docker/100000.100000", "/data/docker", "/data/docker/5.5"]
)
def test_docker_data_roots(put: Put, ask: Callable[..., EngineState], root: str) -> None:
    """The default data root, what daemon.json says, and remapped users below either."""
    put("/etc/docker/daemon.json", {"data-root": "/data/docker/"})
    tags = {"io.kubernetes.pod.uid": "u", "io.kubernetes.pod.name": "p", "io.kubernetes.docker.type": "podsandbox"}
    config = {"ID": ID, "Name": "/web", "Image": "sha256:1", "Config": {"Labels": tags}, "State": {"Pid": 0}}
    put(f"{root}/containers/{ID}/config.v2.json", config)
    state = ask()
    assert (state.name, state.image, state.init_pid) == ("web", "sha256:1", None)
    assert (state.pod, state.pod_name, state.sandbox) == ("u", "p", True)


LXC_CONF = """lxc.rootfs.path = dir:/var/lib/incus/storage-pools/default/containers/c1/rootfs
lxc.hook.pre-start = /proc/812/exe callhook /var/lib/incus "{project}" "c1" start
"""
BACKUP = """container:
  architecture: x86_64
  config:
    image.description: 'Debian''s bookworm'
    image.os: Debian
    user.team: "sec\\u00e9"
    volatile.uuid: 6f84eba1-7fce-4789-bffb-8a8da416df2d
    user.long: |-
      lines: not a key
  created_at: 2026-11-21T21:19:39.186776786Z
  name: c1
  project: {project}
  type: container
pool:
  name: default
"""


@pytest.mark.parametrize(("project", "name"), [("default", "c1"), ("prod", "prod_c1")])
@pytest.mark.parametrize("files", ["both", "conf", "backup"])
def test_incus(put: Put, ask: Callable[..., EngineState], project: str, name: str, files: str) -> None:
    """Project and name of the hook's words, or of backup.yaml, make up liblxc's name; the latter has the image."""
    if files != "backup":
        put(f"/run/incus/{name}/lxc.conf", LXC_CONF.format(project=project))
    if files != "conf":
        put(f"/var/lib/incus/storage-pools/default/containers/{name}/backup.yaml", BACKUP.format(project=project))
        link = put(f"/var/lib/incus/containers/{name}", "")
        link.unlink()
        link.symlink_to(f"/var/lib/incus/storage-pools/default/containers/{name}")
    state = ask(name, engine="lxc")
    assert (state.engine, state.name, state.namespace) == ("incus", "c1", project)
    if files != "conf":
        assert state.image == "Debian's bookworm"
        assert dict(state.labels) == {
            "image.description": "Debian's bookworm", "image.os": "Debian", "user.team": "secé",
        }  # fmt: skip
        assert (state.uuid, state.created_ms) == ("6f84eba1-7fce-4789-bffb-8a8da416df2d", 1795295979186)


def test_incus_words_must_fit_the_name(put: Put, tmp_path: Path) -> None:
    """A file of another instance under this name is not believed."""
    put("/run/incus/other/lxc.conf", LXC_CONF.format(project="default"))
    engines = Engines(tmp_path)
    assert engines.confirm("other") is None
    engines.close()


def test_lxc_elsewhere(put: Put, ask: Callable[..., EngineState]) -> None:
    """Lxcpath of lxc.conf, the set cgroup, and a user's own containers."""
    put("/etc/lxc/lxc.conf", "# comment = x\nlxc.lxcpath = /srv/lxc\n")
    put("/srv/lxc/web/config", "lxc.rootfs.path = /r\nlxc.cgroup.dir = grp\nlxc.rootfs.path = /second\n")
    assert (ask("web").cgroup, ask("web").rootfs) == ("/grp/lxc.payload.web", "/r")
    put("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n")
    put("/home/alice/.local/share/lxc/hers/config", "lxc.uts.name = x\n", owner=1000)
    put("/run/user/1000/bus", "", owner=1000)
    assert ask("hers").owner == 1000


MACHINE = "# This is private data. Do not parse.\nNAME=vm\nSERVICE=libvirt-lxc\nCLASS={}\nLEADER={}\nROOT=/a\\x20b\n"


def test_machined(put: Put, tmp_path: Path) -> None:
    """A container of another service has that engine; a virtual machine is none; a wild leader is not said."""
    engines = Engines(tmp_path)
    put("/run/systemd/machines/vm", MACHINE.format("container", "99999999999999"))
    state = engines.confirm("vm")
    assert state is not None
    assert (state.engine, state.init_pid, state.rootfs) == ("libvirt-lxc", None, "/a b")
    put("/run/systemd/machines/vm", MACHINE.format("vm", "5"))
    assert engines.confirm("vm") is None
    engines.close()
