"""One machine of each system, made of files, on which the same things are: a container with a service, and a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from annotator.cli.lookup import answer, system_of
from tests.aix import conftest as aix_conftest
from tests.linux.conftest import HOST_ROOT, Machine

if TYPE_CHECKING:
    from annotator.core.errors import ExitCode

sim = aix_conftest.sim
SCHEMA = json.loads((Path(__file__).parents[2] / "annotator/data/lookup.schema.json").read_text("utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)

A, B = "a1" * 32, "b2" * 32
LAYER = "/var/lib/docker/overlay2/L1"
INSIDE_A = {"mnt": 4026532001, "pid": 4026532002, "net": 4026532003}
INSIDE_B = {"mnt": 4026532101, "pid": 4026532102, "net": 4026532103}
OVERLAY = f"lowerdir={LAYER}-base:/var/lib/docker/overlay2/IMAGE/diff,upperdir={LAYER}/diff,workdir={LAYER}/work"
HOST_MOUNTS = HOST_ROOT + f"90 22 0:55 / {LAYER}/merged rw - overlay overlay rw,{OVERLAY}\n"
INNER_MOUNTS = (
    "500 400 0:55 / / rw - overlay overlay rw,upperdir=/etc\n"  # what its own text claims of the host is not believed
    "501 500 0:60 / /proc rw - proc proc rw\n"
    "502 500 8:1 /var/lib/docker/volumes/data/_data /data rw - ext4 /dev/sda1 rw\n"
    "503 500 8:1 /srv/shared /shared rw - ext4 /dev/sda1 rw\n"
    "504 500 8:1 / /host rw - ext4 /dev/sda1 rw\n"
)
TITLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


SOCKETS = {
    "title": "Active Internet connections (including servers)\nPCB/ADDR         Proto Recv-Q Send-Q  Local Address\n",
    "ssh": "f1000e0001891398 tcp4       0      0  *.22               *.*                LISTEN\n",
    "web": "f1000e0001891b98 tcp        0      0  *.80               *.*                LISTEN\n",
    "peer": "f1000e000189bb98 tcp4       0      0  192.0.2.32.5432    192.0.2.2.54321    ESTABLISHED\n",
    "unix": "f1000a000189bb98 dgram      0      0  f1000b00 0 0 0 /dev/SRC\n",
}
"""AIX: lines of netstat, in the form of the public example (samples/aix/netstat)."""

MOUNT = (
    "  node       mounted        mounted over    vfs       date        options\n"
    "         /dev/hd4         /                jfs2   Nov 23 21:03 rw,log=/dev/hd8\n"
    "         /dev/fslv00      /wpars/webapp_prod jfs2 Nov 23 21:03 rw,log=INLINE\n"
    "192.0.2.11 /stage/middleware3 /stage/middleware4 nfs3   Jul 17 13:24 ro,bg,hard,intr,sec=sys\n"
)
NETWORK = (
    "webapp_prod:en0:192.0.2.31:255.255.252.0:192.0.3.255\nwebapp_prod:lo0:127.0.0.1:255.0.0.0:127.255.255.255\n"
    "db_test-01:en0:192.0.2.32:255.255.252.0:\n"
)


def listening(port: int, inode: int, state: str = "0A", remote: str = "00000000:0000") -> str:
    """One row of /proc/PID/net/tcp, on every address."""
    rest = f"00000000:00000000 00:00000000 00000000    33        0 {inode} 1 0"
    return f"   0: 00000000:{port:04X} {remote} {state} {rest}\n"


class Site:
    """A machine below `root`, and questions to it."""

    system = ""

    def __init__(self, root: Path) -> None:
        self.root = root

    def now(self) -> int:
        """Its clock."""
        return 1_700_000_000_000

    def ask(self, kind: str, value: object, **options: Any) -> tuple[dict[str, Any], ExitCode]:
        """The document, which always is as the schema says, and the exit code."""
        assert system_of(self.root, "linux") == self.system
        found, code = answer(kind, str(value), root=self.root, system=self.system, now=self.now, **options)
        VALID.validate(json.loads(json.dumps(found)))
        return found, code

    def told(self, kind: str, value: object, **options: Any) -> dict[str, Any]:
        """The document of a question that is answered."""
        found, code = self.ask(kind, value, **options)
        assert code == 0, found
        return found

    def error(self, kind: str, value: object, **options: Any) -> str:
        """The code of the error of a question that is refused."""
        found, code = self.ask(kind, value, **options)
        assert (code, found["status"], found["container"]) == (1, "unknown", None), found
        return str(found["errors"][0]["code"])

    def put(self, path: str, text: str = "x\n") -> Path:
        """A file."""
        made = self.root / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    def link(self, path: str, text: str) -> None:
        """A link with this text."""
        made = self.root / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.symlink_to(text)


class LinuxSite(Site):
    """A host with one container of docker, `web`, whose process 200 listens on 80, and sshd with 22 on the host."""

    system = "linux"
    inside, outside, free, service, address_port = 200, 100, 199, 80, 22

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.machine = Machine(root)
        self.machine.add(1, comm="systemd", ppid=0, ticks=1, mounts=HOST_MOUNTS)
        self.put("proc/stat", "cpu 1\nbtime 1700000000\n")
        self.add(100, ports={22: 1001}, comm="sshd", cmdline="sshd: /usr/sbin/sshd\0-D\0")
        self.add(200, ports={80: 2001}, comm="nginx", cgroup=f"0::/system.slice/docker-{A}.scope\n", ns=INSIDE_A,
                 mounts=INNER_MOUNTS, pids=(200, 1), cmdline="nginx\0-g\0daemon off;\0")  # fmt: skip
        self.docker(A, "web", LAYER)
        self.container_file = f"{LAYER}/merged/etc/passwd"
        self.host_file = "/etc/passwd"
        for path in (self.container_file, f"{LAYER}/diff/new", self.host_file, "/var/lib/docker/volumes/data/_data/db"):
            self.put(path)
        self.container = "web"

    def add(self, pid: int, *, ports: dict[int, int], cmdline: str, **more: Any) -> None:
        """A process that holds these sockets."""
        rows = "".join(listening(port, inode) for port, inode in ports.items())
        home = self.machine.add(pid, files={"cmdline": cmdline, "net/tcp": TITLE + rows}, **more)
        (home / "fd").mkdir()
        for number, inode in enumerate(ports.values(), 3):
            (home / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def docker(self, id_: str, name: str, layer: str) -> None:
        """What dockerd and its runc wrote of a container."""
        config = {"ID": id_, "Name": f"/{name}", "Config": {"Image": "nginx:1"}, "State": {"Pid": 200}}
        self.put(f"var/lib/docker/containers/{id_}/config.v2.json", json.dumps(config))
        state = {"id": id_, "init_process_pid": 200, "config": {"rootfs": f"{layer}/merged"}}
        self.put(f"run/docker/runtime-runc/moby/{id_}/state.json", json.dumps(state))


class AixSite(Site):
    """The simulated machine of scripts/aix_sim.py, its commands' outputs, and sockets and files of `webapp_prod`."""

    system = "aix"
    free, service, address_port = 9_999_998, 80, 22
    container_file, host_file = "/wpars/webapp_prod/etc/passwd", "/etc/passwd"
    container = "webapp_prod"

    def __init__(self, root: Path, machine: Any) -> None:
        super().__init__(root)
        self.machine = machine
        self.late_ms = self._passed_ms = 0
        machine.write_tree(root)
        self.inside = machine.wpars["webapp_prod"].init
        self.outside = machine.shell
        for words in ("lswpar", "lswpar -c -q", "lswpar -L", "lswpar -c -q -a name,state,type,key,uuid", "uname -W",
                      "ps -e -o pid= -o wpar="):  # fmt: skip
            self.put(f"commands/{words}", machine.run(self._argv(words)).decode())
        self.sockets = SOCKETS
        self.put("commands/mount", MOUNT)
        self.put("commands/netstat -Aan", "".join(SOCKETS.values()))
        for name in machine.wpars:
            self.put(f"commands/netstat -Aan -@ {name}", SOCKETS["web"] if name == "webapp_prod" else "")
        self.put("commands/lswpar -N -c -q", NETWORK)
        for path in (self.container_file, self.host_file):
            self.put(path)

    @staticmethod
    def _argv(words: str) -> tuple[str, ...]:
        first, *rest = words.split(" ")
        return (f"/usr/bin/{first}", *rest)

    def now(self) -> int:
        """The simulated clock; it goes on with each question by `late_ms`."""
        self._passed_ms += self.late_ms
        return int(self.machine.seconds * 1000) + self._passed_ms


@pytest.fixture
def linux(tmp_path: Path) -> LinuxSite:
    """A Linux host."""
    return LinuxSite(tmp_path / "linux")


@pytest.fixture
def aix(tmp_path: Path, sim: Any) -> AixSite:
    """An AIX machine on which everything that is hard has happened once."""
    return AixSite(tmp_path / "aix", sim.scenario())


@pytest.fixture(params=["linux", "aix"])
def site(request: pytest.FixtureRequest) -> Any:
    """Each system."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The recorded and constructed AIX inputs."""
    return Path(__file__).parents[2] / "samples" / "aix"
