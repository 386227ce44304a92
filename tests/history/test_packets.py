"""Packets and sockets from the look at a process to the output: follower, journal, replay, and each form."""

from __future__ import annotations

import json
import marshal
from pathlib import Path

import msgpack
import pytest

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Container, Evidence, NetnsId, Ns, Reason
from annotator.core.registry import Registry, derive_contid
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.observation_log import Journaling, Loaded
from annotator.engine.replay import Replay
from annotator.history import Observations
from annotator.io.sources import Cutter
from annotator.linux.engines.programs import KINDS
from annotator.linux.netlink.proc_events import Kind, ProcEvent
from annotator.plugin.worker.host_updates import HostUpdates
from annotator.plugin.worker.operations import Decoder, NetworkRead, Operation, ProcessRead, encode
from annotator.plugin.worker.process_follower import ProcessFollower
from annotator.storage.format import Header
from tests.live.ends import Documents, Verdicts
from tests.scoring import text_of

HOST, POD, WEB = (NetnsId(4, 4026531833 + at) for at in range(3))
NAMES = {POD: "cni-pod", WEB: ""}
T = 1_700_000_000_000
ONE, TWO, WEBBER = (Container(derive_contid(name * 64), name * 64, engine="docker") for name in "abc")
HEADER = Header(b"", "8d0b1bd1-0000-4000-8000-000000000001", 0, 100)


class Machine:
    """A machine: who lives where, and who has which address. It is a host view and the kernel's events at once."""

    overrun = False
    drained = True

    def __init__(self) -> None:
        self.now = T
        self.there: dict[int, tuple[NetnsId, Container | None, int]] = {}
        self.has: dict[NetnsId, tuple[str, ...]] = {
            HOST: ("10.0.0.1",),
            POD: ("10.0.0.2", "fd00::2"),
            WEB: ("10.0.0.3",),
        }
        self.events: list[ProcEvent] = []
        self.begin(1, HOST, None)

    def begin(self, pid: int, netns: NetnsId, container: Container | None) -> None:
        """A process begins its program there."""
        self.there[pid] = (netns, container, self.now)
        self.events += [
            ProcEvent(self.now * 1_000_000, Kind.FORK, pid, 1), ProcEvent(self.now * 1_000_000, Kind.EXEC, pid)
        ]  # fmt: skip

    def end(self, pid: int) -> None:
        """It ends."""
        del self.there[pid]
        self.events.append(ProcEvent(self.now * 1_000_000, Kind.EXIT, pid, 1))

    def process(self, pid: int) -> HostProcess | Reason:
        """As the host view answers."""
        if pid not in self.there:
            return Reason.GONE
        netns, container, born = self.there[pid]
        evidence = Evidence.CGROUP if container is not None else Evidence.HOST_VIEW
        own = Ns.NONE if netns == HOST else Ns.NET
        return HostProcess(
            pid, 1 if pid > 1 else 0, born, pid, self.now, container, evidence, own=own, netns=netns, exe=b"/bin/sh"
        )

    def processes(self) -> list[HostProcess]:
        """All."""
        return [one for one in map(self.process, self.there) if isinstance(one, HostProcess)]

    def network(self, pid: int) -> HostNetwork | None:
        """As the host view reads it."""
        if pid not in self.there:
            return None
        netns = self.there[pid][0]
        return HostNetwork(netns, self.has[netns], self.now, pid, NAMES.get(netns, ""), netns == HOST)

    def drain(self, max_events: int = 4096) -> list[ProcEvent]:
        """The kernel's events."""
        found, self.events = self.events[:max_events], self.events[max_events:]
        return found

    def fileno(self) -> int:
        """None."""
        return -1

    def close(self) -> None:
        """Nothing to do."""


class Run:
    """A live run with a journal: its own answers are those of `live`."""

    def __init__(self, path: Path) -> None:
        self.machine = Machine()
        self.journal = path
        self.follower = ProcessFollower(self.machine, self.machine, now=lambda: self.machine.now, networks=self.machine)
        self.live = HostUpdates(
            Observations(Registry(), programs=KINDS),
            self.machine, journal=Journaling(path, HEADER), networks=self.machine
        )  # fmt: skip
        self.ops: list[Operation] = []
        self.take(self.follower.start())

    def take(self, ops: list[Operation]) -> None:
        """What the follower told, as it comes over the wire."""
        self.ops += ops
        self.live.apply(ops)

    def pass_(self, ms: int) -> None:
        """Time goes on; what happened is seen."""
        self.machine.now += ms
        for _ in range(2):
            self.take(self.follower.poll())
        self.live.tick(self.machine.now)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A pod of two, another container, and half a second of peace."""
    run = Run(tmp_path / "journal")
    for pid, netns, container in ((7, POD, ONE), (8, POD, TWO), (9, WEB, WEBBER)):
        run.machine.begin(pid, netns, container)
        run.pass_(100)
    run.pass_(200)
    return run


def packet(ms: int, source: str, target: str, serial: int = 1) -> bytes:
    """As xt_AUDIT.c writes it."""
    ms += T
    stamp = b"%d.%03d:%d" % (ms // 1000, ms % 1000, serial)
    ends = b"saddr=%s daddr=%s proto=6" % (source.encode(), target.encode())
    return b"type=NETFILTER_PKT msg=audit(%s): mark=0x0 %s\n" % (stamp, ends)


def connect(ms: int, pid: int, *, number: int = 42, success: bytes = b"yes exit=0", serial: int = 2) -> bytes:
    """A connect, as the kernel writes it."""
    ms += T
    head = b"msg=audit(%d.%03d:%d): " % (ms // 1000, ms % 1000, serial)
    call = b"arch=c000003e syscall=%d success=%s a0=3 a1=7f a2=10 a3=0 items=0 ppid=1 pid=%d" % (number, success, pid)
    rest = b' auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="sh" exe="/bin/sh"'
    return b"type=SYSCALL %s%s%s key=(null)\ntype=SOCKADDR %ssaddr=02000050\ntype=PROCTITLE %sproctitle=7368\n" % (
        head, call, rest, head, head
    )  # fmt: skip


def replayed(run: Run, log: bytes, form: str = "json", **more: object) -> bytes:
    """The log by the journal."""
    run.live.close()
    replay = Replay(Options(format=form, journals=(run.journal,), **more))  # type: ignore[arg-type]
    cutter = Cutter("log")
    blocks = [cutter.feed(log), cutter.end()]
    return b"".join([*(replay.feed(one) for one in blocks if one is not None), replay.finish()])


def said(run: Run, log: bytes) -> dict[str, object]:
    """What the JSON form says of where one event was."""
    found: dict[str, object] = json.loads(replayed(run, log))["provenance"]
    return found


A, B, C = (str(one.contid) for one in (ONE, TWO, WEBBER))


def asked(run: Run, address: str, ms: int) -> list[str] | Reason:
    """The live answer."""
    from annotator.core.model import Stamp

    found = run.live.observations.owners(b"", address, Stamp(T + ms, 1))
    return found if isinstance(found, Reason) else [str(chain[0].contid) for chain in found]


def test_a_packet_says_whose_its_addresses_are(run: Run) -> None:
    """All of a pod, in every form; an address proves nothing, so the event is in no container for that."""
    assert asked(run, "10.0.0.2", 400) == [A, B]
    assert asked(run, "10.0.0.3", 400) == [C]
    log = packet(400, "10.0.0.2", "10.0.0.3")
    assert said(run, log) == {
        "status": "unknown", "reason": "not-seen", "evidence": ["address"], "src": [[A], [B]], "dst": [[C]]
    }  # fmt: skip
    fields = f" cont_src={A},{B} cont_dst={C}\n".encode()
    for form in ("raw", "record"):
        once = replayed(run, log, form)
        assert once == log[:-1] + fields
        assert replayed(run, once, form) == once, "annotating twice is annotating once"
    assert msgpack.unpackb(replayed(run, log, "msgpack"))["provenance"]["dst"] == [[C]]
    other = packet(400, "10.0.0.1", "198.51.100.7", 9)
    assert replayed(run, log + other, "raw", only_containers=True) == log[:-1] + fields
    assert replayed(run, log + other, "raw", contid=WEBBER.contid) == log[:-1] + fields


@pytest.mark.parametrize(
    ("source", "target"),
    [("10.0.0.1", "198.51.100.7"), ("127.0.0.1", "::1"), ("fe80::2", "ff02::1"), ("", "10.0.0.2x"), ("?", "0.0.0.0")],
)
def test_other_packets_stay_as_they_are(run: Run, source: str, target: str) -> None:
    """The host's own, loopback, link-local, strangers, and what is no address at all."""
    log = packet(400, source, target)
    assert replayed(run, log, "raw") == log
    assert replayed(run, log, "record") == log


def test_a_long_line_keeps_its_length(run: Run) -> None:
    """Fields that do not fit are left out."""
    log = packet(400, "10.0.0.2", "10.0.0.3")[:-1] + b" x=" + b"y" * 8860 + b"\n"
    assert len(log) < 8960
    assert replayed(run, log, "record") == log
    assert replayed(run, log, "raw").startswith(log[:-1])


def test_two_that_have_it_are_ambiguous(run: Run) -> None:
    """HostUpdates and replayed; from when the other may have got it."""
    run.machine.has[WEB] = ("10.0.0.3", "10.0.0.2")
    run.machine.begin(10, WEB, WEBBER)
    run.pass_(100)
    assert asked(run, "10.0.0.2", 590) is Reason.AMBIGUOUS
    assert said(run, packet(590, "10.0.0.2", "10.0.0.9")) == {"status": "unknown", "reason": "ambiguous"}


def test_an_address_that_moved_is_nobody_s_meanwhile_and_then_the_other_s(run: Run) -> None:
    """Nobody told the follower: it is found out when it matters; the journal has it."""
    assert asked(run, "10.0.0.2", 400) == [A, B]
    run.pass_(6000)
    run.machine.now += 1000
    run.machine.has.update({POD: ("fd00::2",), WEB: ("10.0.0.3", "10.0.0.2")})
    assert asked(run, "10.0.0.2", 7450) is Reason.NOT_SEEN
    run.pass_(5000)
    run.pass_(200)
    assert asked(run, "10.0.0.2", 12_600) == [C]
    log = b"".join(packet(ms, "10.0.0.2", "0.0.0.0", ms) for ms in (400, 7450, 12_600))
    found = [json.loads(line)["provenance"].get("src") for line in replayed(run, log).splitlines()]
    assert found == [[[A], [B]], None, [[C]]]


def test_short_containers_are_answered_after_their_end(run: Run) -> None:
    """As long as nobody else has their address by then; the journal says the same."""
    run.machine.now += 500
    run.machine.end(9)
    run.pass_(100)
    assert asked(run, "10.0.0.3", 900) == [C]
    assert asked(run, "10.0.0.3", 1050) is Reason.NOT_SEEN
    log = b"".join(packet(ms, "10.0.0.3", "0.0.0.0", ms) for ms in (900, 1050))
    found = [json.loads(line)["provenance"].get("src") for line in replayed(run, log).splitlines()]
    assert found == [[[C]], None]


def test_a_journal_that_begins_anew_says_it_all_again(run: Run) -> None:
    """Each file can be used without those before it."""
    run.pass_(300)
    run.live._renew()
    run.live.journal.journal.rotate() if run.live.journal is not None else None
    run.live._renew()
    run.pass_(300)
    assert asked(run, "10.0.0.2", 1000) == [A, B]
    run.live.close()
    alone = run.journal.with_name("alone")
    alone.write_bytes(run.journal.read_bytes())
    observations = Observations(Registry(), programs=KINDS)
    stats = Stats()
    Loaded(observations, stats).load(alone, b"")
    assert stats.facts_skipped == 0
    assert [one.id for one in observations.addresses.at("10.0.0.2", T + 1000)] == ["a" * 64, "b" * 64]  # type: ignore[union-attr]


def test_a_journal_does_not_grow_by_what_stays_the_same(run: Run) -> None:
    """An hour of rounds: nothing is written, until an answer rests on it."""
    run.live.tick(run.machine.now)
    size = run.journal.stat().st_size
    for _ in range(720):
        run.pass_(5000)
    assert run.journal.stat().st_size == size
    assert asked(run, "10.0.0.3", 3_600_000) == [C]
    run.pass_(1000)
    assert 0 < run.journal.stat().st_size - size < 400


def test_what_the_follower_tells_comes_over_the_wire_as_it_was(run: Run) -> None:
    """Both ends are one program; nothing is lost on the way."""
    decoder = Decoder()
    for op in run.ops:
        again = decoder.decode(marshal.loads(marshal.dumps(encode(op))))
        assert type(again) is type(op)
        if again != op:
            assert isinstance(again, ProcessRead)
            assert isinstance(op, ProcessRead)
            assert again.process.container is not None
            assert op.process.container is not None
            assert again.process.container.id == op.process.container.id
    assert sum(isinstance(op, NetworkRead) for op in run.ops) >= 3


@pytest.mark.parametrize(("number", "success"), [(42, b"yes exit=0"), (42, b"no exit=-115"), (41, b"yes exit=3")])
def test_a_socket_event_says_in_which_network_it_was(run: Run, number: int, success: bytes) -> None:
    """Also one that failed, as a connect that is not done yet does; other events do not; the raw form never does."""
    for pid, netns in (
        (7, {"dev": 4, "ino": POD.ino, "name": "cni-pod"}), (9, {"dev": 4, "ino": WEB.ino}),
        (1, {"dev": 4, "ino": HOST.ino, "host": True}),
    ):  # fmt: skip
        assert said(run, connect(400, pid, number=number, success=success)).get("netns") == netns
    assert "netns" not in said(run, connect(400, 4242))
    log = connect(400, 7)
    assert b"cni-pod" not in replayed(run, log, "raw")
    assert "netns" not in said(run, connect(400, 7, number=2).replace(b"SOCKADDR", b"CWD"))


RECORDED = Path(__file__).parents[2] / "samples/linux/live-network"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Documents]:
    """A recorded laboratory (ORIGIN.md there), with its journal and without."""
    folder = tmp_path_factory.mktemp("recorded")
    for name in ("input.log", "journal"):
        (folder / name).write_bytes(text_of(RECORDED, name))
    found = {}
    for name, journals in (("with", (folder / "journal",)), ("without", ())):
        replay = Replay(Options(format="json", journals=journals))
        out = b"".join([*map(replay.feed, blocks_of([str(folder / "input.log")])), replay.finish()])
        found[name] = [json.loads(line) for line in out.splitlines()]
    return found


def test_a_recorded_laboratory_is_answered_from_its_journal(recorded: dict[str, Documents]) -> None:
    """Addresses that move, are shared, and used again; programs that go to and fro: nothing untrue is said."""
    truth = {one["serial"]: one for one in map(json.loads, text_of(RECORDED, "truth-ends.jsonl").splitlines())}
    ids = json.loads(text_of(RECORDED, "truth-ids.json"))
    found = Verdicts(recorded["with"], truth, ids)
    assert not found.wrong
    assert found.packets["right"] > 100
    assert found.packets["silent"] <= 0.05 * found.packets["right"]
    assert found.sockets["right"] > 300
    assert found.sockets["absent"] <= 0.05 * found.sockets["right"]
    assert found.shared > 0


def test_a_bare_log_has_neither_addresses_nor_namespaces(recorded: dict[str, Documents]) -> None:
    """No record says whose they are."""
    said = [one["provenance"] for one in recorded["without"]]
    assert not any({"src", "dst", "netns"} & one.keys() for one in said)
