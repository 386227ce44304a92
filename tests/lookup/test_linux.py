"""Rules of the look-ups on Linux: what decides whose a file or a socket is, and what never does."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.lookup.linux import forwards, mounts, tables
from annotator.lookup.linux.process import tty
from tests.linux.conftest import HOST_ROOT
from tests.lookup.conftest import INNER_MOUNTS, INSIDE_A, INSIDE_B, LAYER, TITLE, A, B, listening

if TYPE_CHECKING:
    from tests.lookup.conftest import LinuxSite

IN_B = f"0::/system.slice/docker-{B}.scope\n"


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_process_has_its_ids_times_and_arguments(linux: LinuxSite) -> None:
    """Each argument by itself, the inner pid, users as strings, the birth as a time, and the engine's names."""
    found = linux.told("process", 200)
    process = found["process"]
    assert process["args"] == ["nginx", "-g", "daemon off;"]
    assert (process["pid"], process["ppid"], process["vpid"], process["uid"]) == (200, 1, 1, "0")
    assert (process["start"], process["auid"], process["ses"]) == ("2023-11-14T22:13:30.000Z", "1000", "7")
    assert (found["container"]["id"], found["container"]["image"]) == (A, "nginx:1")
    assert found["evidence"] == ["cgroup"]


def test_a_process_that_cannot_be_placed_is_answered_with_the_reason(linux: LinuxSite) -> None:
    """It is there, so the exit code is 0; where it is is not known, and never host."""
    linux.machine.add(300, ns=dict.fromkeys(("mnt", "pid"), 0), ticks=5)
    found = linux.told("process", 300)
    assert (found["status"], found["reason"], found["errors"][0]["code"]) == ("unknown", "denied", "denied")


def test_who_entered_a_container_is_in_it_and_flagged(linux: LinuxSite) -> None:
    """By nsenter: cgroup of the host, mount namespace of the container."""
    linux.machine.add(300, ns=INSIDE_A, mounts=INNER_MOUNTS)
    found = linux.told("process", 300)
    assert (found["container"]["id"], found["flags"]) == (A, ["entered"])


def test_hostile_arguments_are_text(linux: LinuxSite) -> None:
    """Bytes that are no UTF-8 become escapes, and JSON stays JSON."""
    (linux.root / "proc/100/cmdline").write_bytes(b"\xff\x1b[2J\0x\0")
    assert linux.told("process", 100)["process"]["args"] == ["\\xff\x1b[2J", "x"]


@pytest.mark.parametrize(
    ("number", "name"), [(0, None), (34816 + 3, "pts/3"), (0x403, "tty3"), (0x440, "ttyS0"), (0x8901, "pts/257")]
)
def test_terminals_have_names(number: int, name: str | None) -> None:
    """The device numbers of proc(5)."""
    assert tty(number) == name


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "how", "inside"),
    [
        (f"{LAYER}/merged/etc/passwd", "rootfs", "/etc/passwd"),
        (f"{LAYER}/diff/new", "upper-layer", "/new"),
        ("/var/lib/docker/volumes/data/_data/db", "volume", "/data/db"),
        (f"/var/lib/docker/containers/{A}/config.v2.json", "engine-files", None),
    ],
)
def test_a_container_s_files(linux: LinuxSite, path: str, how: str, inside: str | None) -> None:
    """Root, upper layer, volume, and what the engine keeps: whose, by what, and how the container calls it."""
    found = linux.told("file", path)
    assert (found["container"]["id"], found["evidence"]) == (A, [how])
    assert found["file"].get("inside") == inside


def test_the_mount_of_a_file(linux: LinuxSite) -> None:
    """The longest mount point above it."""
    assert linux.told("file", f"{LAYER}/merged/etc/passwd")["file"]["mount"]["type"] == "overlay"
    assert linux.told("file", "/etc/passwd")["file"]["mount"]["source"] == "/dev/sda1"


def test_a_bind_mount_does_not_make_a_file_the_container_s(linux: LinuxSite) -> None:
    """The host's own directory stays the host's; who has it mounted is listed."""
    linux.put("/srv/shared/f")
    found = linux.told("file", "/srv/shared/f")
    assert (found["status"], found["notes"][0][:8]) == ("host", "The file")
    assert found["file"]["holders"] == [{"how": "bind", "id": A, "name": "web", "path": "/shared/f"}]


def test_a_container_s_own_text_claims_nothing(linux: LinuxSite) -> None:
    """An overlay mounted inside names `upperdir=/etc`; the host's root mounted inside is no claim to all files."""
    assert linux.told("file", "/etc/passwd")["status"] == "host"


def test_an_engine_s_root_that_is_the_host_s_claims_nothing(linux: LinuxSite) -> None:
    """A container made with the host's `/` as its root does not own every file."""
    linux.put(f"run/docker/runtime-runc/moby/{A}/state.json", json.dumps({"id": A, "config": {"rootfs": "/"}}))
    linux.machine.add(200, cgroup=f"0::/system.slice/docker-{A}.scope\n", ns=INSIDE_A, mounts=HOST_ROOT)
    assert linux.told("file", "/etc/passwd")["status"] == "host"


def test_the_layer_of_an_image_of_two_containers_is_ambiguous(linux: LinuxSite) -> None:
    """Two overlays share a lower layer; both are listed, none is picked."""
    linux.put("/var/lib/docker/overlay2/IMAGE/diff/bin/sh")
    assert linux.told("file", "/var/lib/docker/overlay2/IMAGE/diff/bin/sh")["evidence"] == ["image-layer"]
    (linux.root / "proc/1/mountinfo").write_text(
        HOST_ROOT
        + f"90 22 0:55 / {LAYER}/merged rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/IMAGE/diff\n"
        + "91 22 0:56 / /m2 rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/IMAGE/diff:/x\n"
    )
    linux.machine.add(201, cgroup=IN_B, ns=INSIDE_B, mounts="600 1 0:56 / / rw - overlay overlay rw\n")
    found = linux.told("file", "/var/lib/docker/overlay2/IMAGE/diff/bin/sh")
    assert (found["status"], found["reason"], found["errors"][0]["code"]) == ("unknown", "ambiguous", "ambiguous")
    assert {one["id"] for one in found["file"]["holders"]} == {A, B}


@pytest.mark.parametrize("text", ["/etc/passwd", "../../../../../../../../etc/passwd", "../etc/passwd"])
def test_a_hostile_link_does_not_lead_out(linux: LinuxSite, text: str) -> None:
    """A container's link is followed below its own root, absolute or by `..`; the host's file is not shown."""
    linux.put("/etc/passwd", "root of the host\n")
    linux.link(f"{LAYER}/merged/tmp/link", text)
    found = linux.told("file", f"{LAYER}/merged/tmp/link")
    assert found["file"]["target"] == text
    assert found["file"]["resolved"] == f"{LAYER}/merged/etc/passwd"
    assert found["file"]["stat"]["size"] == 2
    assert found["container"]["id"] == A


def test_a_link_in_the_middle_does_not_lead_out(linux: LinuxSite) -> None:
    """`merged/var/run -> /etc`: the path goes on in the container."""
    linux.link(f"{LAYER}/merged/var/run", "/etc")
    assert linux.told("file", f"{LAYER}/merged/var/run/passwd")["file"]["path"] == f"{LAYER}/merged/etc/passwd"


def test_no_link_leads_out_of_a_recorded_tree(linux: LinuxSite) -> None:
    """Below --root nothing of this machine is read, also not through proc."""
    linux.link("/out", "../../../../../../../../../../../../../../../../proc/version")
    linux.link("/proc/200/root", "/")
    linux.link("/loop", "loop")
    assert linux.told("file", "/out")["errors"][0]["code"] == "gone"
    assert linux.told("file", "/proc/200/root/etc/passwd")["file"]["path"] == "/etc/passwd"
    assert linux.told("file", "/loop")["errors"][0]["code"] == "denied"
    assert linux.error("file", "/loop/x") == "denied"


def test_a_dotdot_of_who_asks_is_his(linux: LinuxSite) -> None:
    """Who types `merged/../diff/new` means the host's `..`; it never leaves the tree."""
    assert linux.told("file", f"{LAYER}/merged/../diff/new")["file"]["path"] == f"{LAYER}/diff/new"
    assert linux.told("file", "/../../../etc/passwd")["file"]["path"] == "/etc/passwd"


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_mountinfo_is_read(data: bytes) -> None:
    """Lines that are no mounts are left out; every other question has an answer."""
    found = mounts.parse(data + b"\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert mounts.holder(found, "/etc") is not None
    for one in found:
        assert mounts.on_host(one, found) is not None or one.root.endswith("//deleted")
        mounts.layers(one, "lowerdir")


def test_escapes_of_mountinfo() -> None:
    """Blanks are octal there, colons in layers have backslashes."""
    one = mounts.parse(rb"1 1 0:5 / /a\040b rw - overlay none rw,lowerdir=/x\134:y:/z" + b"\n")[0]
    assert (one.point, mounts.layers(one, "lowerdir")) == ("/a b", ["/x:y", "/z"])


# --- ports ------------------------------------------------------------------------------------------------------------


def test_a_port_by_its_holder(linux: LinuxSite) -> None:
    """The process that has the socket open says where it is."""
    found = linux.told("port", "80/tcp")
    assert found["evidence"] == ["socket-owner", "cgroup"]
    (socket,) = found["ports"]
    assert (socket["pids"], socket["state"], socket["uid"], socket["inode"]) == ([200], "listen", "33", "2001")
    assert (socket["netns"]["containers"], socket["netns"]["host"]) == ([A], False)
    assert linux.error("port", "80/udp") == "gone"


def test_a_socket_nobody_holds_is_its_namespace_s(linux: LinuxSite) -> None:
    """Where no holder is seen, a namespace of one container alone says it; the host's says nothing."""
    shutil.rmtree(linux.root / "proc/200/fd")
    shutil.rmtree(linux.root / "proc/100/fd")
    assert linux.told("port", 80)["evidence"] == ["netns"]
    found = linux.told("port", 22)
    assert (found["status"], found["reason"]) == ("unknown", "not-seen")


def test_a_pod_s_namespace_is_ambiguous(linux: LinuxSite) -> None:
    """Two containers share it, nobody is seen to hold the socket: both are named, none is picked."""
    shutil.rmtree(linux.root / "proc/200/fd")
    linux.machine.add(201, cgroup=IN_B, ns=INSIDE_B | {"net": INSIDE_A["net"]}, mounts=INNER_MOUNTS)
    found = linux.told("port", 80)
    assert (found["reason"], set(found["ports"][0]["netns"]["containers"])) == ("ambiguous", {A, B})


def test_one_port_in_two_namespaces(linux: LinuxSite) -> None:
    """The host's 22 and a container's 22: each socket has its answer, the question has none."""
    linux.add(201, ports={22: 3001}, comm="sshd", cmdline="sshd\0", cgroup=IN_B, ns=INSIDE_B, mounts=INNER_MOUNTS)
    found = linux.told("port", 22)
    assert [one["status"] for one in found["ports"]] == ["host", "container"]
    assert (found["status"], found["errors"][0]["code"]) == ("unknown", "ambiguous")


def test_who_waits_goes_before_who_is_connected(linux: LinuxSite) -> None:
    """Connections are listed only where nothing waits for peers."""
    row = listening(80, 2002, "01", "0100007F:1234")
    (linux.root / "proc/200/net/tcp").write_text(TITLE + listening(80, 2001) + row)
    assert len(linux.told("port", 80)["ports"]) == 1
    (linux.root / "proc/200/net/tcp").write_text(TITLE + row)
    (socket,) = linux.told("port", 80)["ports"]
    assert (socket["state"], socket["remote"], socket["remote_port"]) == ("connected", "127.0.0.1", 0x1234)


def test_a_tree_without_tables_cannot_say(linux: LinuxSite) -> None:
    """A recorded tree that has no sockets is not one on which nobody listens."""
    for pid in (100, 200):
        shutil.rmtree(linux.root / f"proc/{pid}/net")
    assert linux.error("port", 80) == "unsupported"


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_socket_table_is_read(data: bytes) -> None:
    """Rows that are none are left out."""
    assert tables.parse(data + b"\n" + listening(22, 5).encode(), "tcp")[-1].port == 22


# --- containers -------------------------------------------------------------------------------------------------------


def test_a_container_by_each_of_its_names(linux: LinuxSite) -> None:
    """Name, id, the beginning of the id, contid: what the engine and the processes say of it."""
    first = linux.told("container", "web")["container"]
    assert (first["state"], first["pids"], first["rootfs"]) == ("running", [200], f"{LAYER}/merged")
    for value in (A, A[:12], first["contid"]):
        assert linux.told("container", value)["container"] == first


def test_a_name_of_two_containers_is_ambiguous(linux: LinuxSite) -> None:
    """Both are named in the error. A beginning shorter than four characters is none."""
    linux.docker("a1" * 31 + "ff", "web", "/var/lib/docker/overlay2/L2")
    found, _ = linux.ask("container", "web")
    assert found["errors"][0]["code"] == "ambiguous"
    assert A in found["errors"][0]["what"]
    assert linux.error("container", "a1a1") == "ambiguous"
    assert linux.error("container", "a1") == "gone"


def test_a_container_that_does_not_run(linux: LinuxSite) -> None:
    """Known by its engine's files alone; its upper layer is still its own."""
    linux.docker(B, "old", "/var/lib/docker/overlay2/L2")
    linux.put("/var/lib/docker/overlay2/L2/diff/log")
    found = linux.told("container", "old")
    assert (found["container"]["state"], found["evidence"]) == ("not-running", ["inventory"])
    assert linux.told("file", "/var/lib/docker/overlay2/L2/diff/log")["container"]["id"] == B


def test_a_published_port_says_where_it_leads(linux: LinuxSite) -> None:
    """The socket is docker-proxy's, so the host's; its arguments and the namespaces' addresses name the container."""
    line = (
        "/usr/bin/docker-proxy\0-proto\0tcp\0-host-port\x008080\0-container-ip\x00172.17.0.2\0-container-port\x0080\0"
    )
    linux.add(400, ports={8080: 4001}, comm="docker-proxy", cmdline=line, exe="/usr/bin/docker-proxy")
    trie = "Local:\n  +-- 172.17.0.0/16 2 0 2\n     |-- 172.17.0.2\n        /32 host LOCAL\n"
    (linux.root / "proc/200/net/fib_trie").write_text(trie)
    (linux.root / "proc/100/net/tcp").write_text(TITLE + listening(22, 1001) + listening(8080, 4001))
    found = linux.told("port", 8080)
    forward = found["ports"][0]["forwards"]
    assert (found["status"], forward["address"], forward["port"], forward["container"]["id"]) == (
        "host",
        "172.17.0.2",
        80,
        A,
    )
    linux.add(201, ports={}, comm="x", cmdline="x\0", cgroup=IN_B, ns=INSIDE_B, mounts=INNER_MOUNTS)
    (linux.root / "proc/201/net/fib_trie").write_text(trie)
    assert linux.told("port", 8080)["ports"][0]["forwards"]["container"] is None


def test_only_root_s_proxy_is_believed(linux: LinuxSite) -> None:
    """Anybody can give a process such arguments."""
    line = "docker-proxy\0-container-ip\x00172.17.0.2\0-container-port\x0080\0"
    for more in ({"uid": 1000, "exe": "/usr/bin/docker-proxy"}, {"exe": "/tmp/x"}):
        linux.add(100, ports={22: 1001}, comm="docker-proxy", cmdline=line, **more)
        assert "forwards" not in linux.told("port", 22)["ports"][0]


def test_addresses_of_both_families() -> None:
    """/32 host entries of fib_trie, and the first column of if_inet6; broadcast addresses are none."""
    trie = b"     |-- 10.0.0.2\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n"
    six = b"20010db8000000000000000000000001 02 40 00 80 eth0\n"
    assert forwards.addresses(trie, six) == {"10.0.0.2", "2001:db8::1"}


def test_a_socket_that_cannot_be_placed_may_be_another_s(linux: LinuxSite) -> None:
    """Two sockets on 80, one of them nobody's that can be seen: the question has no one answer."""
    (linux.root / "proc/100/net/tcp").write_text(TITLE + listening(80, 9999))
    found = linux.told("port", 80)
    assert {one["status"] for one in found["ports"]} == {"unknown", "container"}
    assert found["reason"] == "ambiguous"
