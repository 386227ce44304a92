"""Ids to names: the recorded trees, what is kept and what is late, whose word counts, and hostile files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.linux.engines import Engines, EngineState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Put = Callable[..., Path]

SAMPLES = Path(__file__).parents[3] / "samples" / "linux" / "engines"
ID = "ab" * 32
ALICE = "ec32a66764a06ccb53d8f3a6d835fbb028dfe88e0a571ab1d0d4553693ab453f"
DOCKER = "53a6279b3665357184b18310a4c266bb78c9e42dde2ca8bbc3a7d24f7bdec74b"


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    """The engines of the tree that `put` writes."""
    made = Engines(tmp_path)
    yield made
    made.close()


def said(state: EngineState | None) -> dict[str, Any] | None:
    """What a state says, without the values that are not said."""
    if state is None:
        return None
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    values["labels"] = dict(state.labels)
    return {
        name: value
        for name, value in values.items()
        if value not in ("", None, False, {}) and (name, value) != ("owner", 0)
    }


def questions() -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The recorded questions and their answers."""
    asked = (SAMPLES / "input.questions").read_text("utf-8").splitlines()
    answers = (SAMPLES / "expected.answers").read_text("utf-8").splitlines()
    return [(json.loads(question), json.loads(answer)) for question, answer in zip(asked, answers, strict=True)]


@pytest.mark.parametrize(("question", "answer"), questions(), ids=lambda case: (case or {}).get("tree", ""))
def test_recorded_trees(question: dict[str, Any], answer: dict[str, Any] | None) -> None:
    """What the engines really wrote gives the names they showed."""
    engines = Engines(SAMPLES / question["tree"] / "root", owners=False)
    found = engines.lookup(question["id"], engine=question.get("engine", ""), owner=question.get("owner"))
    engines.close()
    assert said(found) == answer


@pytest.mark.parametrize("tree", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_scan_finds_what_lookup_finds(tree: str) -> None:
    """The start-up scan says of each container what a look-up says, and each once."""
    engines = Engines(SAMPLES / tree / "root", owners=False)
    found = engines.scan()
    assert found
    assert len({state.id for state in found}) == len(found)
    for state in found:
        assert engines.lookup(state.id, engine=state.engine) == state
    engines.close()


def config(name: str, **more: Any) -> dict[str, Any]:
    """Docker's config.v2.json of the container ID."""
    return {"ID": ID, "Name": name, "Config": {"Image": "image:1"}, "State": {"Pid": 7}, **more}


def docker_file(id_: str = ID) -> str:
    """Where docker keeps it."""
    return f"/var/lib/docker/containers/{id_}/config.v2.json"


def test_a_beginning_of_an_id_finds_nothing(engines: Engines, put: Put) -> None:
    """Only the id in full: twelve digits may be those of two containers."""
    put(docker_file(), config("/web"))
    assert engines.lookup(ID[:12]) is engines.lookup(ID[:63]) is engines.lookup(ID.upper()) is None
    assert engines.lookup(ID) is not None


def test_a_file_about_another_container_is_not_believed(engines: Engines, put: Put) -> None:
    """The id inside must be that of the directory."""
    put(docker_file("cd" * 32), config("/web"))
    put("/run/runc/mine/state.json", {"id": "other", "init_process_pid": 7})
    assert engines.lookup("cd" * 32) is engines.lookup("mine") is None


def test_a_rename_is_seen(engines: Engines, put: Put) -> None:
    """`docker rename` changes the file, and the next answer."""
    put(docker_file(), config("/web"))
    first = engines.lookup(ID)
    put(docker_file(), config("/renamed"))
    second = engines.lookup(ID)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("web", "renamed")
    assert not second.late, "it had a name before"


def test_a_late_name_is_said_to_be_late(engines: Engines, put: Put) -> None:
    """A name that an earlier question did not get is flagged, also in later answers."""
    assert engines.lookup(ID) is None
    put(docker_file(), config("/web"))
    for _ in range(2):
        state = engines.lookup(ID)
        assert state is not None
        assert state.late
        assert state.name == "web"


def test_a_container_known_without_a_name_gets_it_late(engines: Engines, put: Put) -> None:
    """The state of runc comes first, the engine's name later."""
    put(f"/run/runc/{ID}/state.json", {"id": ID, "init_process_pid": 7, "init_process_start": 99})
    first = engines.lookup(ID)
    assert first is not None
    assert (first.name, first.late, first.init_ticks) == ("", False, 99)
    put(docker_file(), config("/web"))
    second = engines.lookup(ID)
    assert second is not None
    assert (second.name, second.late) == ("web", True)


def test_a_name_is_kept_after_the_container_is_gone(engines: Engines, put: Put, tmp_path: Path) -> None:
    """Files go one after the other, or all at once; what they said stays, and is said to be gone."""
    put(docker_file(), config("/web"))
    put(f"/run/docker/runtime-runc/moby/{ID}/state.json", {"id": ID, "init_process_pid": 7, "init_process_start": 99})
    put(f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}/config.json", {"root": {"path": "/x"}})
    assert engines.lookup(ID) is not None
    shutil.rmtree(tmp_path / "var")
    half = engines.lookup(ID)
    assert half is not None
    assert (half.name, half.image, half.gone) == ("web", "image:1", False)
    shutil.rmtree(tmp_path / "run")
    whole = engines.lookup(ID)
    assert whole is not None
    assert (whole.name, whole.image, whole.gone) == ("web", "image:1", True)


def test_what_the_scan_found_is_kept_too(engines: Engines, put: Put) -> None:
    """A container that ends between the scan and its last event keeps its name."""
    path = put(docker_file(), config("/web"))
    assert [state.name for state in engines.scan()] == ["web"]
    path.unlink()
    state = engines.lookup(ID)
    assert state is not None
    assert state.gone


def test_a_free_name_is_not_kept(engines: Engines, put: Put) -> None:
    """`runc run test` may come again as another container: only what is there now counts."""
    path = put("/run/runc/test/state.json", {"id": "test", "init_process_pid": 7})
    assert engines.confirm("test") is not None
    path.unlink()
    assert engines.confirm("test") is None
    assert engines.lookup("test") is None


def test_two_engines_with_one_name_are_ambiguous(engines: Engines, put: Put) -> None:
    """A name that two engines have is no answer until the engine is said."""
    put("/run/runc/web/state.json", {"id": "web", "init_process_pid": 7})
    put("/run/crun/web/status", {"pid": 8})
    put("/var/lib/lxc/web/config", "lxc.uts.name = web\n")
    assert engines.confirm("web") is None
    for engine in ("runc", "crun", "lxc"):
        state = engines.confirm("web", engine)
        assert state is not None
        assert state.engine == engine
    assert engines.confirm("web", "systemd-nspawn") is None


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0b", "x" * 300, "\ud800"])
def test_no_name_leaves_its_directory(engines: Engines, put: Put, name: str) -> None:
    """A name from a log is one component of a path, or nothing."""
    put("/run/x/state.json", {"id": name or "x"})
    put("/run/runc/a/b/state.json", {"id": name})
    assert engines.confirm(name) is engines.lookup(name) is None


def rootless(put: Put, uid: int, home: str, name: str) -> None:
    """A container ID of a rootless podman."""
    base = f"{home}/.local/share/containers/storage/overlay-containers"
    put(f"{base}/{ID}/userdata/config.json", {"annotations": {"io.container.manager": "libpod"}}, owner=uid)
    put(f"{base}/containers.json", [{"id": ID, "names": [name]}], owner=uid)
    put(f"/run/user/{uid}/bus", "", owner=uid)


PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n"


def test_a_users_word_counts_for_that_user(engines: Engines, put: Put) -> None:
    """A rootless answer names its owner, root's engines come first, and root's are asked alone when root is said."""
    put("/etc/passwd", PASSWD)
    rootless(put, 1000, "/home/alice", "hers")
    state = engines.lookup(ID)
    assert state is not None
    assert (state.name, state.owner, state.engine) == ("hers", 1000, "podman")
    assert engines.lookup(ID, owner=0) is None
    assert engines.lookup(ID, owner=1001) is None
    put(docker_file(), config("/web"))
    of_root = engines.lookup(ID)
    assert of_root is not None
    assert (of_root.name, of_root.owner) == ("web", 0)
    hers = engines.lookup(ID, owner=1000)
    assert hers is not None
    assert (hers.name, hers.owner) == ("hers", 1000)
    kept = engines.lookup(ID, owner=0)
    assert kept is not None
    assert kept.name == "web", "a user's word does not replace root's"


def test_two_users_with_one_id_are_ambiguous(engines: Engines, put: Put) -> None:
    """When nobody said whose it is, an id that two users claim is nobody's."""
    put("/etc/passwd", PASSWD)
    rootless(put, 1000, "/home/alice", "hers")
    rootless(put, 1001, "/home/bob", "his")
    assert engines.lookup(ID) is None
    state = engines.lookup(ID, owner=1001)
    assert state is not None
    assert state.name == "his"


def test_a_user_cannot_show_files_of_another(engines: Engines, put: Put, tmp_path: Path) -> None:
    """A link from a home to root's state gives nothing (where files have owners: an unpacked tree has one)."""
    put("/etc/passwd", PASSWD)
    put("/run/user/1000/bus", "", owner=1000)
    put(f"/secret/overlay-containers/{ID}/userdata/config.json", {"annotations": {"io.container.manager": "libpod"}})
    storage = tmp_path / "home/alice/.local/share/containers"
    storage.mkdir(parents=True)
    (storage / "storage").symlink_to("/secret")
    found = engines.lookup(ID)
    assert (found is None) == (os.geteuid() == 0)


def test_a_user_who_is_not_there_is_not_searched(engines: Engines, put: Put, tmp_path: Path) -> None:
    """A home is opened for users with a runtime directory only, or when the user is named."""
    put("/etc/passwd", PASSWD)
    rootless(put, 1000, "/home/alice", "hers")
    shutil.rmtree(tmp_path / "run/user/1000")
    assert engines.lookup(ID) is None
    assert engines.lookup(ID, owner=1000) is not None


def test_a_file_that_vanishes_at_any_time(put: Put, tmp_path: Path) -> None:
    """Every file of the trees may be missing: the rest still answers, and nothing raises."""
    for tree in ("docker", "containerd", "podman", "podman-rootless"):
        root = tmp_path / tree
        shutil.copytree(SAMPLES / tree / "root", root, symlinks=True)
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            engines = Engines(root, owners=False)
            before = engines.scan()
            path.rename(tmp_path / "away")
            after = [engines.lookup(state.id) for state in before]
            assert all(state is not None for one, state in zip(before, after, strict=True) if len(one.id) == 64)
            engines.close()
            (tmp_path / "away").rename(path)


KEYS = st.sampled_from(
    [
        "id",
        "ID",
        "Name",
        "Config",
        "Labels",
        "Image",
        "State",
        "Pid",
        "Created",
        "annotations",
        "linux",
        "cgroupsPath",
        "root",
        "path",
        "config",
        "labels",
        "names",
        "metadata",
        "init_process_pid",
        "init_process_start",
        "cgroup_paths",
        "created",
        "pid",
        "process-start-time",
        "bundle",
        "initPid",
        "io.container.manager",
        "io.kubernetes.cri.container-type",
        "io.kubernetes.cri.sandbox-id",
        "io.kubernetes.cri-o.Labels",
        "io.kubernetes.cri-o.ContainerID",
        "data-root",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from([ID, "web", "/x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=6), inner, max_size=6),
    max_leaves=20,
)
PLACES = [
    docker_file(),
    f"/run/docker/runtime-runc/moby/{ID}/state.json",
    f"/run/runc/{ID}/state.json",
    f"/run/crun/{ID}/status",
    f"/run/crun/{ID}/config.json",
    f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json",
    f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/init.pid",
    f"/run/containerd/runc/k8s.io/{ID}/state.json",
    f"/var/lib/containers/storage/overlay-containers/{ID}/userdata/config.json",
    f"/var/lib/containers/storage/overlay-containers/{ID}/userdata/state.json",
    "/var/lib/containers/storage/overlay-containers/containers.json",
    "/var/lib/containers/storage/db.sql",
    "/var/lib/containers/storage/libpod/bolt_state.db",
    "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "/run/runc/web/state.json",
    "/run/crun/web/status",
    "/var/lib/lxc/web/config",
    "/run/incus/web/lxc.conf",
    "/var/lib/incus/containers/web/backup.yaml",
    "/run/systemd/machines/web",
    "/etc/passwd",
    "/etc/lxc/lxc.conf",
    "/etc/docker/daemon.json",
]


@given(
    files=st.dictionaries(
        st.sampled_from(PLACES),
        st.binary(max_size=120) | JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
        max_size=6,
    )
)
def test_hostile_files_never_raise(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Any bytes, and any JSON under the keys we read: an answer of the right types, or none."""
    root = tmp_path_factory.mktemp("hostile")
    for path, content in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    engines = Engines(root, owners=False)
    found = [engines.lookup(ID), engines.lookup("web"), *engines.scan()]
    engines.close()
    for state in (state for state in found if state is not None):
        assert all(isinstance(getattr(state, name), str) for name in ("id", "engine", "name", "image", "pod", "cgroup"))
        assert all(isinstance(text, str) for pair in state.labels.items() for text in pair)
        assert state.init_pid is None or 0 < state.init_pid <= 2**22
        assert state.init_ticks is None or 0 < state.init_ticks < 2**64


def test_deep_and_wide_json_ends(engines: Engines, put: Put) -> None:
    """Nesting beyond any and numbers of a million digits are no JSON to us; many labels are cut."""
    for content in (b'{"ID":' + b"[" * 200_000, b'{"ID":' + b'{"a":' * 100_000, b'{"ID":' + b"9" * 900_000 + b"}"):
        put(docker_file(), content)
        assert engines.lookup(ID) is None
    labels = {f"k{number}": "v" for number in range(2000)}
    put(docker_file(), config("/" + "n" * 100_000, Config={"Labels": labels}))
    state = engines.lookup(ID)
    assert state is not None
    assert len(state.labels) == 256
    assert len(state.name) <= 4096


def read_so_far() -> int:
    """Bytes this process has read (proc(5), rchar)."""
    return int(Path("/proc/self/io").read_text("ascii").split()[1])


def test_an_answer_costs_few_bytes(engines: Engines, put: Put) -> None:
    """With a thousand containers in the store only the first question reads the list, and none searches."""
    base = "/var/lib/containers/storage/overlay-containers"
    put(f"{base}/containers.json", [{"id": f"{number:064x}", "names": [f"n{number}"]} for number in range(1000)])
    for number in range(3):
        put(f"{base}/{number:064x}/userdata/config.json", {"annotations": {"io.container.manager": "libpod"}})
    assert engines.lookup(f"{0:064x}") is not None
    before = read_so_far()
    state = engines.lookup(f"{1:064x}")
    assert state is not None
    assert state.name == "n1"
    assert read_so_far() - before < 2000
    before = read_so_far()
    assert engines.lookup(f"{1:064x}") == state
    assert read_so_far() - before < 500, "an unchanged file is not read again"
