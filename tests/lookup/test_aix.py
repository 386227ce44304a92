"""Rules of the look-ups on AIX, over the simulated machine: three roads from a socket to a WPAR, and their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import getprocs, sockets
from annotator.core.errors import SourceError
from annotator.lookup.aix.file import mounts
from annotator.lookup.document import ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from annotator.lookup.aix.view import AixView
    from tests.lookup.conftest import AixSite

WEB = "webapp_prod"
HELD = "The socket 0xf1000e0001891b98 is being held by proccess {} (httpd).\n"


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_process_has_what_psinfo_says(aix: AixSite) -> None:
    """Ids, parent, times, terminal, the line; of the WPAR its name, CID, key, type and UUID; nothing is `verified`."""
    wpar, truth = aix.machine.wpars[WEB], aix.machine.processes[aix.inside]
    found = aix.told("process", aix.inside)
    process = found["process"]
    assert (process["pid"], process["ppid"], process["euid"], process["sid"]) == (truth.pid, truth.ppid, "0", truth.pid)
    assert (process["command_line"], process["cpu_ms"], process["threads"]) == ("/etc/init", 3500, 1)
    assert "tty" not in process
    assert found["container"]["wpar"] == {
        "cid": str(wpar.cid), "ckey": str(wpar.key), "type": "system", "uuid": wpar.uuid,
    }  # fmt: skip
    assert (found["container"]["rootfs"], found["container"]["addresses"]) == (wpar.directory, ["192.0.2.31"])
    assert "inferred" in found["evidence"]
    assert found["verified"] is False


def test_a_terminal_is_a_device(aix: AixSite) -> None:
    """The file has the number only: it is shown as such."""
    path = aix.root / f"proc/{aix.inside}/psinfo"
    data = bytearray(path.read_bytes())
    data[80:88] = (0x8000000A00000003).to_bytes(8, "big")
    path.write_bytes(bytes(data))
    assert aix.told("process", aix.inside)["process"]["tty"] == "device 0x8000000a00000003"


def test_psinfo_that_is_not_believed_is_not_shown(aix: AixSite) -> None:
    """Another layout: init does not show its parent there. Then `ps` says less, and where there is none nothing can."""
    (aix.root / "proc/1/psinfo").write_bytes(b"\1" * 448)
    assert aix.error("process", aix.inside) == "unsupported"
    words = "ps -e -o pid= -o ppid= -o etime= -o wpar="
    aix.put(f"commands/{words}", aix.machine.run(words.split(" ")).decode())
    found = aix.told("process", aix.inside)
    assert set(found["process"]) == {"pid", "ppid", "start"}
    assert (found["container"]["name"], found["notes"][0][:6]) == (WEB, "psinfo")
    assert aix.error("process", aix.free) == "gone"


def test_not_from_global_nothing_is_host(aix: AixSite) -> None:
    """Inside a WPAR everything calls itself Global, with CID 0: hidden, never host."""
    aix.put("commands/uname -W", "6\n")
    for kind, value in (("process", aix.outside), ("file", aix.host_file), ("port", 22)):
        found = aix.told(kind, value)
        assert (found["status"], found["reason"], found["errors"][0]["code"]) == ("unknown", "hidden", "denied"), kind


def test_what_psinfo_does_not_say(aix: AixSite) -> None:
    """Names by the passwd of its own WPAR, the thread's state, sizes, working directory, open files, arguments."""
    aix.put("/wpars/webapp_prod/etc/passwd", "#x\nroot:!:0:0::/:/usr/bin/ksh\nsecond:!:0:0::/:\n")
    aix.put("/wpars/webapp_prod/etc/group", "system:!:0:root\n")
    aix.put("/etc/passwd", "globalroot:!:0:0::/:\n")
    place = aix.root / f"proc/{aix.inside}"
    data = bytearray((place / "psinfo").read_bytes())
    data[328 + 30 : 328 + 36] = b"A\x14\x00\x00\x00\x3c"
    (place / "psinfo").write_bytes(bytes(data))
    (place / "cwd").symlink_to("/wpars/webapp_prod/home/")
    aix.put(f"proc/{aix.inside}/fd/0", "")
    (place / "fd/5").mkdir()
    process = aix.told("process", aix.inside)["process"]
    assert (process["user"], process["group"], process["effective_user"]) == ("root", "system", "root")
    assert (process["state"], process["nice"], process["priority"]) == ("A", 20, 60)
    assert (process["size_kib"], process["rss_kib"], process["cwd"]) == (2048, 1536, "/wpars/webapp_prod/home")
    assert [(one["fd"], one["type"]) for one in process["open_files"]] == [(0, "file"), (5, "directory")]
    assert aix.told("process", aix.outside)["process"]["user"] == "globalroot"
    assert "args" not in process


def test_a_wpar_cannot_name_users_by_the_file_of_another(aix: AixSite) -> None:
    """Its root may make its passwd, or the directory of it, a link that leads out: then nothing is named."""
    aix.put("/etc/passwd", "globalroot:!:0:0::/:\n")
    (aix.root / "wpars/webapp_prod/etc/passwd").unlink()
    (aix.root / "wpars/webapp_prod/etc").rmdir()
    (aix.root / "wpars/webapp_prod/etc").symlink_to("../../etc")
    assert "user" not in aix.told("process", aix.inside)["process"]


def test_arguments_as_getargs_gives_them() -> None:
    """Words ended by NUL, an empty one last; a call that fails gives none; the pid is where procentry64 has it."""

    def call(entry: Any, size: int, buffer: Any, most: int) -> int:
        assert (int.from_bytes(entry.raw[:4], "big"), size) == (4194306, 4944)
        buffer[:13] = b"/etc/init\0-a\0"
        return 0 if most > 100 else -1

    assert getprocs.arguments(call, 4194306) == [b"/etc/init", b"-a"]
    assert getprocs.arguments(lambda *_: -1, 7) == []
    with pytest.raises(SourceError):
        getprocs.load_arguments("linux")


def test_the_own_wpar_is_said_by_its_key(aix: AixSite) -> None:
    """Inside of one nothing can be told of others; which one it is, is said."""
    aix.put("commands/uname -W", "6\n")
    assert "key 6" in aix.told("process", aix.inside)["notes"][-1]


# --- stopped WPARs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["name", "key", "uuid"])
def test_a_stopped_wpar_is_found(aix: AixSite, by: str) -> None:
    """By name, key or UUID, with all that stays; it has no CID. The clock goes on while the machine is asked."""
    wpar = aix.machine.wpars["stopped_one"]
    wpar.key = 77
    for place, words in LISTINGS.items():
        aix.put(place, aix.machine.run(aix._argv(words)).decode() if words else aix.machine.index())
    aix.late_ms = 5000
    container = aix.told("container", getattr(wpar, by))["container"]
    assert (container["name"], container["state"], container["wpar_state"]) == ("stopped_one", "not-running", "D")
    assert container["wpar"] == {"ckey": "77", "type": "system", "uuid": wpar.uuid}
    assert "contid" not in container


ASKED = "lswpar -c -q -a name,state,type,key,uuid"
LISTINGS = {"etc/corrals/index": "", f"commands/{ASKED}": ASKED}
"""What says keys, and the command that prints it."""


def test_a_number_that_is_one_s_key_and_another_s_cid_is_ambiguous(aix: AixSite) -> None:
    """Neither is picked; both are named."""
    assert (aix.machine.wpars["stopped_one"].key, aix.machine.wpars["legacy53"].cid) == (6, 6)
    document, code = aix.ask("container", "6")
    assert code != 0
    assert document["errors"][0]["code"] == "ambiguous"
    assert {"legacy53", "stopped_one"} <= set(document["errors"][0]["what"].replace(",", " ").split())
    assert document["verified"] is False


def test_a_file_of_a_stopped_wpar(aix: AixSite) -> None:
    """Its directory stays."""
    aix.late_ms = 5000
    aix.put("/wpars/stopped_one/etc/hosts")
    assert aix.told("file", "/wpars/stopped_one/etc/hosts")["container"]["wpar"]["uuid"]


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_below_a_base_directory(aix: AixSite) -> None:
    """The WPAR by its directory, the path as it sees it, the mount from `mount`."""
    found = aix.told("file", aix.container_file)
    assert (found["container"]["name"], found["evidence"]) == (WEB, ["base-directory"])
    assert (found["file"]["inside"], found["file"]["mount"]["source"]) == ("/etc/passwd", "/dev/fslv00")


def test_an_application_wpar_shares_global_s_files(aix: AixSite) -> None:
    """No path is its own: the answer is Global's, with the note and those that may be meant."""
    found = aix.told("file", "/etc/passwd")
    assert found["status"] == "host"
    assert [one["name"] for one in found["file"]["holders"]] == ["app_batch"]
    assert "Application WPARs" in found["notes"][0]


def test_a_hostile_link_of_a_wpar_does_not_lead_out(aix: AixSite) -> None:
    """A link in a WPAR is followed below its base directory."""
    aix.put("/etc/passwd", "Global's own\n")
    aix.link("/wpars/webapp_prod/tmp/link", "../../../../etc/passwd")
    assert aix.told("file", "/wpars/webapp_prod/tmp/link")["file"]["resolved"] == aix.container_file


def test_without_mount_the_rest_is_answered(aix: AixSite) -> None:
    """A command that cannot be run costs its part only, and is listed."""
    (aix.root / "commands/mount").unlink()
    found = aix.told("file", aix.container_file)
    assert "mount" not in found["file"]
    assert found["errors"][0]["code"] == "unsupported"


def test_mount_of_a_real_system(samples: Path) -> None:
    """Lines with and without a node; inside a WPAR the device is `Global`, and `Global` is then no node."""
    found = mounts((samples / "df-mount/mount-inside.txt").read_bytes())
    assert [one.point for one in found] == ["/", "/home", "/opt", "/proc", "/tmp", "/usr", "/var", "/stage/middleware4"]
    assert (found[0].source, found[0].node, found[-1].node, found[-1].kind) == ("Global", "", "192.0.2.11", "nfs3")


# --- ports ------------------------------------------------------------------------------------------------------------


def test_netstat_of_one_wpar_shows_whose_a_socket_is(aix: AixSite) -> None:
    """On every address, so only `netstat -@` tells; that is inferred, and no process is named."""
    found = aix.told("port", "80/tcp")
    assert (found["container"]["name"], found["evidence"]) == (WEB, ["netstat", "inferred"])
    assert (found["ports"][0]["local"], found["ports"][0]["pcb"]) == ("*", "f1000e0001891b98")
    assert "pids" not in found["ports"][0]


def test_a_port_of_global(aix: AixSite) -> None:
    """`netstat -@ Global` shows it, and no WPAR does: then it is the host's. Without all lists it is unknown."""
    aix.put("commands/netstat -Aan -@ Global", aix.sockets["ssh"])
    found = aix.told("port", 22)
    assert (found["status"], found["evidence"]) == ("host", ["netstat", "inferred"])
    assert found["ports"][0]["ip_version"] == "4"
    (aix.root / "commands/netstat -Aan -@ legacy53").unlink()
    assert aix.told("port", 22)["status"] == "unknown"


def test_a_list_of_global_that_has_sockets_of_wpars_is_not_believed(aix: AixSite) -> None:
    """If `-@ Global` is no filter on this release, what it shows is nobody's."""
    aix.put("commands/netstat -Aan -@ Global", aix.sockets["ssh"] + aix.sockets["web"])
    assert aix.told("port", 22)["status"] == "unknown"
    found = aix.told("port", 80)
    assert found["container"]["name"] == WEB
    assert "netstat -@ Global" in found["errors"][0]["what"]


def test_connections_stand_beside_the_listener(aix: AixSite) -> None:
    """Listeners first; tcp4 and tcp6 are told apart."""
    more = "f1000e0001891b99 tcp6       0      0  *.80               *.*                LISTEN\n"
    peer = "f1000e0001891b9a tcp4       0      0  192.0.2.31.80      192.0.2.2.54321    ESTABLISHED\n"
    aix.put("commands/netstat -Aan", "".join((aix.sockets["title"], peer, aix.sockets["web"], more)))
    ports = aix.told("port", 80)["ports"]
    assert [(one["state"], one.get("ip_version")) for one in ports] == [
        ("listen", None), ("listen", "6"), ("established", "4"),
    ]  # fmt: skip
    assert ports[2]["remote_port"] == 54321


def test_a_socket_that_the_kernel_holds(aix: AixSite) -> None:
    """The command names no process: said in words, not as a fault of the program."""
    aix.put("commands/rmsock f1000e0001891b98 tcpcb", "The socket 0x1 is being held by Kernel/Kernel Extension.\n")
    found = aix.told("port", 80, rmsock=True)
    assert "the kernel" in " ".join(one["what"] for one in found["errors"])
    assert found["container"]["name"] == WEB


def test_an_address_of_one_wpar_alone(aix: AixSite) -> None:
    """`lswpar -N` says whose it is; loopback is everybody's."""
    found = aix.told("port", 5432)
    assert (found["container"]["name"], found["evidence"]) == ("db_test-01", ["address", "inferred"])


def test_a_socket_that_nothing_places_is_unknown(aix: AixSite) -> None:
    """Never Global for want of anything else."""
    found = aix.told("port", 22)
    assert (found["status"], found["reason"]) == ("unknown", "not-seen")


def test_rmsock_is_run_only_when_asked_for(aix: AixSite) -> None:
    """It can remove sockets. Asked for, it names the process, and the process its WPAR; UDP has another block."""
    aix.put("commands/rmsock f1000e0001891b98 tcpcb", HELD.format(aix.inside))
    asked: list[str] = []
    view = _view(aix, asked)
    ask("aix", "port", "80", view)
    assert not [one for one in asked if "rmsock" in one]
    found = aix.told("port", 80, rmsock=True)
    assert (found["ports"][0]["pids"], found["container"]["name"]) == ([aix.inside], WEB)
    assert found["evidence"][0] == "socket-owner"


def _view(aix: AixSite, asked: list[str]) -> AixView:
    from annotator.lookup.aix.view import opened

    view = opened(aix.root, aix.now, rmsock=False)
    inner = view._run
    assert inner is not None

    def run(argv: Sequence[str]) -> bytes:
        asked.append(argv[0])
        return inner(argv)

    view._run = run
    return view


def test_rmsock_that_says_something_else(aix: AixSite) -> None:
    """No process is named: said so, and the other roads are taken."""
    aix.put("commands/rmsock f1000e0001891b98 tcpcb", "Wait for exiting processes to be cleaned up\n")
    found = aix.told("port", 80, rmsock=True)
    assert (found["container"]["name"], found["errors"][0]["code"]) == (WEB, "unsupported")


def test_without_netstat_no_port_can_be_told(aix: AixSite) -> None:
    """Not supported is not the same as gone."""
    (aix.root / "commands/netstat -Aan").unlink()
    assert aix.error("port", 80) == "unsupported"


def test_a_socket_of_two_wpars_is_ambiguous(aix: AixSite) -> None:
    """If two WPARs show the same control block, none is picked."""
    aix.put("commands/netstat -Aan -@ legacy53", aix.sockets["web"])
    assert aix.told("port", 80)["reason"] == "ambiguous"


def test_netstat_of_a_real_system(samples: Path) -> None:
    """The lines of the public example."""
    listen, connected = sockets.netstat((samples / "netstat/input.txt").read_bytes())
    assert listen == sockets.Socket("f1000e0001891398", "tcp", "4", "*", 22, "*", 0, "LISTEN")
    assert (connected.local, connected.port, connected.remote_port) == ("192.168.1.1", 22, 54321)


def test_addresses_of_lswpar(samples: Path) -> None:
    """Loopback is left out; IPv6 with colons escaped or not."""
    assert sockets.addresses((samples / "lswpar-network/input.txt").read_bytes()) == {"192.0.2.31": frozenset({WEB})}
    assert set(sockets.addresses(b"w:en0:2001\\:db8\\:\\:1:64:\nv:en0:2001:db8:0:0:0:0:0:2:64\n")) == {
        "2001:db8::1", "2001:db8::2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "pid"),
    [
        (HELD.format(6750362), 6750362),
        ("The socket 0xf1 is being held by process 12 (a).", 12),
        ("It is not a socket", None),
        ("process 1 (a) and process 2 (b)", None),
    ],
)
def test_what_rmsock_says(line: str, pid: int | None) -> None:
    """A process and its number, in whatever sentence; two are none."""
    assert sockets.holder(line.encode()) == pid


@settings(max_examples=80)
@given(st.binary(max_size=300))
def test_any_output_is_read(data: bytes) -> None:
    """Lines that are none are left out."""
    tail = b"\nf1000e0001891398 tcp4 0 0 *.22 *.* LISTEN\n"
    assert sockets.netstat(data + tail)[-1].port == 22
    sockets.addresses(data)
    sockets.holder(data)
    mounts(data)


# --- WPARs ------------------------------------------------------------------------------------------------------------


def test_a_wpar_by_each_of_its_names(aix: AixSite) -> None:
    """Name, UUID: state, directory, processes. A number that is one's CID and another's key is ambiguous."""
    wpar = aix.machine.wpars[WEB]
    for value in (WEB, wpar.uuid, wpar.uuid.upper()):
        found = aix.told("container", value)["container"]
        assert (found["name"], found["state"], found["wpar_state"], found["rootfs"]) == (
            WEB,
            "running",
            "A",
            wpar.directory,
        )
        assert aix.inside in found["pids"]
    assert aix.told("container", 40000)["container"]["name"] == "app_batch"
    assert aix.error("container", 2) == "ambiguous"


def test_a_wpar_that_does_not_run(aix: AixSite) -> None:
    """Defined, without a CID: there is no contid for it."""
    found: dict[str, Any] = aix.told("container", "stopped_one")["container"]
    assert (found["state"], found["wpar_state"]) == ("not-running", "D")
    assert "contid" not in found
    assert "pids" not in found
