"""A machine that behaves as AIX does with WPARs, for tests and for trying the AIX side without AIX.

`Machine` is a state machine: Global and WPARs of every type, started and stopped, processes born, running programs and
gone. Each action leaves audit records and, beside them, the truth: which WPAR it really was. From its state it writes a
fake /proc with psinfo files, the corrals index, /etc/filesystems, and answers `lswpar`, `ps`, `uname -W`, libperfstat
and getprocs64; from its records it prints `auditpr` text in every shape and binary trails.

It stands alone on purpose: nothing of the annotator is imported, so the two cannot share a mistake about a layout. What
is not public about AIX is made up here and is no reference: the extension of record version 5, the place of `pi_cid`,
titles and widths of the columns r, P and T. One file, though a long one, because a script must stand alone.

Budget: the machine and all it prints are one simulator, which stands alone and imports nothing of ours.
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

EPOCH = 1772446500  # 2026-03-02 10:15:00 UTC
STATUS = {"OK": 0, "FAIL": 1, "FAIL_AUTH": 3, "FAIL_PRIV": 5, "FAIL_ACCESS": 9, "FAIL_DAC": 0x19}
STATE_WORDS = {"A": "Active", "D": "Defined", "B": "Broken", "F": "Frozen", "P": "Paused", "T": "Transitional"}
USERS = {0: "root", 210: "appusr", 301: "batch"}

FORMATS = {
    "PROC_Create": "forked child process %d",
    "PROC_Delete": "exited child process %d",
    "PROC_Execute": "euid: %d egid: %d epriv: %x:%x name %s",
    "PROC_Kill": "pid: %d, sig: %d",
    "FILE_Open": "flags: %d mode: %o fd: %d filename %s",
    "FILE_Unlink": "filename %s",
    "FILE_Rename": "frompath: %s topath: %s",
    "FS_Chdir": "change current directory to: %s",
    "FS_Chroot": "change root directory to: %s",
    "USER_Login": "user: %s tty: %s",
    "USER_SU": "%s",
    "AUD_It": "cmd: %d arg: %d",
    "TCP_klisten": "fd%d qlimit %d",
}

COLUMNS = {  # letter: (title, width); r, P, T and d are made up
    "e": ("event", 15),
    "l": ("login", 8),
    "R": ("status", 11),
    "t": ("time", 24),
    "d": ("time", 29),
    "c": ("command", 31),
    "W": ("wpar name", 25),
    "p": ("process", 8),
    "r": ("real", 8),
    "P": ("parent", 8),
    "T": ("thread", 8),
}


@dataclass
class Wpar:
    """One WPAR. `cid` is 0 while it does not run."""

    name: str
    type: str = "S"
    key: int = 0
    uuid: str = ""
    rootvg: bool = False
    state: str = "D"
    cid: int = 0
    init: int = 0
    hostname: str = ""

    @property
    def directory(self) -> str:
        """An application WPAR has the root of Global."""
        return "/" if self.type == "A" else f"/wpars/{self.name}"


@dataclass
class Process:
    """One process. `wpar` is None in Global."""

    pid: int
    ppid: int
    start_ns: int
    wpar: Wpar | None = None
    cid: int = 0
    uid: int = 0
    luid: int = 0
    comm: str = ""
    args: str = ""
    zombie: bool = False


@dataclass
class Record:
    """One audit record with its truth."""

    event: str
    status: str
    seconds: int
    nanos: int
    pid: int
    ppid: int
    tid: int
    luid: int
    uid: int
    comm: str
    values: tuple[Any, ...]
    wpar: Wpar | None
    cid: int
    tail: bytes = b""
    truth: dict[str, Any] = field(default_factory=dict)


class Machine:
    """The state, and what changes it."""

    def __init__(self) -> None:
        self.seconds = EPOCH
        self.nanos = 0
        self.wpars: dict[str, Wpar] = {}
        self.processes: dict[int, Process] = {}
        self.records: list[Record] = []
        self.inside = 0
        self._pid = 3473726
        self._key = 0
        self._add(Process(1, 0, self._now(), comm="init", args="/etc/init"))
        self.shell = self.fork(1, comm="ksh", args="-ksh", record=False)

    def _now(self) -> int:
        return self.seconds * 1_000_000_000 + self.nanos

    def tick(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.seconds += seconds
        self.nanos = (self.nanos + 1_234_567) % 1_000_000_000

    def _add(self, process: Process) -> int:
        self.processes[process.pid] = process
        return process.pid

    def _free_pid(self) -> int:
        self._pid += 65_538  # pids are even: bit 0 of slot and generation is clear
        return self._pid

    # --- WPARs ----------------------------------------------------------------------------------------------------

    def make(self, name: str, type: str = "S", rootvg: bool = False) -> Wpar:
        """Define a WPAR: `mkwpar -n`."""
        self._key += 1
        uuid = str(UUID(int=0x541BA314C7CA4F67BC6EA10D5EAA8500 + self._key))
        self.wpars[name] = Wpar(name, type, self._key, uuid, rootvg, hostname=name.replace("_", "")[:12])
        if type != "A":
            self._command("mkwpar", "-n", name)
        return self.wpars[name]

    def start(self, name: str, cid: int) -> int:
        """Start it under a CID; gives the pid of its init (of its command, for an application WPAR)."""
        wpar = self.wpars[name]
        if cid in {other.cid for other in self.wpars.values() if other.cid}:
            raise ValueError(f"CID {cid} is taken")
        if wpar.type == "A":
            self._command("wparexec", "-n", name, "/opt/batch/run", "--all")
        else:
            self._command("startwpar", name)
        wpar.state, wpar.cid = "A", cid
        program = ("run", "/opt/batch/run --all") if wpar.type == "A" else ("init", "/etc/init")
        wpar.init = self._add(
            Process(self._free_pid(), self.shell, self._now(), wpar, cid, comm=program[0], args=program[1])
        )
        return wpar.init

    def stop(self, name: str) -> None:
        """Stop it: every process of it is gone."""
        wpar = self.wpars[name]
        self._command("stopwpar", "-F", name)
        for pid in [pid for pid, process in self.processes.items() if process.wpar is wpar]:
            del self.processes[pid]
        wpar.state, wpar.cid, wpar.init = "D", 0, 0

    def remove(self, name: str) -> None:
        """Remove a stopped WPAR."""
        self._command("rmwpar", name)
        del self.wpars[name]

    def _command(self, *words: str) -> None:
        pid = self.fork(self.shell, record=False)
        self.execute(pid, "/usr/sbin/" + words[0], *words[1:])
        del self.processes[pid]

    # --- processes ------------------------------------------------------------------------------------------------

    def fork(
        self, parent: int, comm: str = "", args: str = "", uid: int | None = None, record: bool = True, pid: int = 0
    ) -> int:
        """A new process of `parent`, in its WPAR. `pid` is for a pid that is used again."""
        mother = self.processes[parent]
        child = Process(
            pid or self._free_pid(),
            parent,
            self._now(),
            mother.wpar,
            mother.cid,
            mother.uid if uid is None else uid,
            mother.luid,
            comm or mother.comm,
            args or mother.args,
        )
        if record:
            self.record(parent, "PROC_Create", child.pid)
        return self._add(child)

    def execute(self, pid: int, *words: str, status: str = "OK") -> None:
        """Run a program. The record carries the old name, as exec has not happened when it is made."""
        line = " ".join(words)
        self.record(pid, "PROC_Execute", self.processes[pid].uid, 0, 0, 0, line, status=status)
        if status == "OK":
            process = self.processes[pid]
            process.comm, process.args = Path(words[0]).name[:15], line[:79]

    def exit(self, pid: int, zombie: bool = False) -> None:
        """The process ends; as a zombie it stays without threads. Init adopts its children."""
        self.record(pid, "PROC_Delete", pid)
        for process in self.processes.values():
            if process.ppid == pid:
                process.ppid = 1
        if zombie:
            self.processes[pid].zombie = True
        else:
            del self.processes[pid]

    def record(self, pid: int, event: str, *values: Any, status: str = "OK") -> Record:
        """Write an audit record of this process, with the truth beside it."""
        process = self.processes[pid]
        wpar = process.wpar
        self.tick()
        record = Record(
            event,
            status,
            self.seconds,
            self.nanos,
            pid,
            process.ppid,
            pid * 2 + 1,
            process.luid,
            process.uid,
            process.comm,
            values,
            wpar,
            process.cid,
            _text_tail(event, values),
        )
        record.truth = {"ordinal": len(self.records) + 1, "event": event, "pid": pid, "wpar": "Global"}
        if wpar:
            record.truth |= {
                "wpar": wpar.name,
                "cid": process.cid,
                "ckey": wpar.key,
                "uuid": wpar.uuid,
                "type": wpar.type,
            }
        self.records.append(record)
        return record

    # --- what the machine shows -------------------------------------------------------------------------------------

    def psinfo(self, pid: int) -> bytes:
        """The 448 bytes of /proc/PID/psinfo (the length behind 328 is arbitrary)."""
        process = self.processes[pid]
        threads = 0 if process.zombie else 1
        seconds, nanos = divmod(process.start_ns, 1_000_000_000)
        head = struct.pack(">4I", 0x240001, 0, threads, 0)
        ids = struct.pack(
            ">12Q",
            process.uid,
            process.uid,
            0,
            0,
            pid,
            process.ppid,
            pid,
            pid,
            2**64 - 1,
            0xF1000F0A10000000 + pid,
            2048,
            1536,
        )
        times = struct.pack(">qiIqiI", seconds, nanos, 0, 3, 500_000_000, 0)
        rest = struct.pack(">HHIQQ", process.cid, 0, 2, 0x2FF22AB0, 0x2FF22AD0)
        names = struct.pack(">16s80s64x", process.comm.encode(), process.args.encode())
        lwp = struct.pack(">QQQI", 0 if process.zombie else pid * 2 + 1, 0, 0, 0)
        return (head + ids + times + rest + names + lwp).ljust(448, b"\0")

    def write_tree(self, root: Path) -> None:
        """Fill an empty directory: proc, etc/corrals/index, etc/filesystems, etc/security/audit/events."""
        for pid in self.processes:
            place = root / "proc" / str(pid)
            place.mkdir(parents=True, exist_ok=True)
            (place / "as").touch()
            (place / "psinfo").write_bytes(self.psinfo(pid))
        for path, text in (
            ("etc/corrals/index", self.index()),
            ("etc/filesystems", self.filesystems()),
            ("etc/security/audit/events", self.events_file()),
        ):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)

    def index(self) -> str:
        """/etc/corrals/index."""
        return "".join(f"{wpar.key}:{wpar.type}:{wpar.name}:{wpar.cid}\n" for wpar in self.wpars.values())

    def filesystems(self) -> str:
        """/etc/filesystems, with a stanza of Global's own."""
        text = "* what Global mounts\n/:\n\tdev\t= /dev/hd4\n\ttype\t= bootfs\n\n"
        for wpar in self.wpars.values():
            if wpar.type != "A":
                for path in ("", "/home"):
                    text += f"{wpar.directory}{path}:\n\tvfs\t= jfs2\n\ttype\t= {wpar.name}\n\n"
        return text

    def events_file(self) -> str:
        """/etc/security/audit/events."""
        lines = "".join(f'\t{event} = printf "{text}"\n' for event, text in FORMATS.items())
        return f"* simulated\nauditpr:\n{lines}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (wpar.name, wpar.state, wpar.type, wpar.hostname, wpar.directory, "yes" if wpar.rootvg else "no")
            for wpar in self.wpars.values()
        ]

    def lswpar(self, *flags: str) -> str:
        """`lswpar`, `-c`, `-L`, and `-c -a FIELDS`, with `-q` or without."""
        if "-L" in flags:
            return "".join(self._long(wpar) for wpar in self.wpars.values())
        if "-c" in flags:
            rows: list[tuple[str, ...]] = self._rows()
            names = "#name:state:type:hostname:directory:rootvgwpar\n"
            if "-a" in flags:
                rows = [(w.name, w.state, w.type, str(w.key), w.uuid) for w in self.wpars.values()]
                names = "#name:state:type:key:uuid\n"
            return ("" if "-q" in flags else names) + "".join(":".join(row) + "\n" for row in rows)
        titles = ("Name", "State", "Type", "Hostname", "Directory", "RootVG WPAR")
        table = [titles, *self._rows()]
        widths = [max(len(row[at]) for row in table) for at in range(len(titles))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]]) + "\n"

    @staticmethod
    def _long(wpar: Wpar) -> str:
        rule = "=" * 65
        return (
            f"{rule}\n{wpar.name} - {STATE_WORDS[wpar.state]}\n{rule}\nGENERAL\nType:                    {wpar.type}\n"
            f"RootVG WPAR:             {'yes' if wpar.rootvg else 'no'}\nHostname:                {wpar.hostname}\n"
            f"Directory:               {wpar.directory}\nApplication:\nUUID:                    {wpar.uuid}\n\n"
            "NETWORK\nInterface     Address(6)        Mask/Prefix       Broadcast\n"
            f"{'-' * 65}\nlo0           127.0.0.1         255.0.0.0         127.255.255.255\n\n"
        )

    def run(self, argv: tuple[str, ...] | list[str]) -> bytes:
        """What a command prints; OSError for one that does not exist here."""
        name = Path(argv[0]).name
        if name == "uname":
            return f"{self.inside}\n".encode()
        if name == "lswpar":
            return self.lswpar(*argv[1:]).encode()
        if name == "ps":
            return self.ps(list(argv[1:])).encode()
        raise FileNotFoundError(argv[0])

    def ps(self, flags: list[str]) -> str:
        """`ps -e -o …`, `ps -o … -p PID`, `ps -ef@`."""
        if flags[:1] == ["-ef@"]:
            lines = ["        WPAR     UID      PID     PPID   C    STIME    TTY  TIME CMD"]
            for process in self.processes.values():
                name = process.wpar.name if process.wpar else "Global"
                lines.append(
                    f"{name:>12} {USERS.get(process.uid, '-'):>7} {process.pid:8} {process.ppid:8}   0   "
                    f"Mar 01      -  0:02 {process.args}"
                )
            return "\n".join(lines) + "\n"
        wanted = [flags[at + 1].rstrip("=") for at, flag in enumerate(flags) if flag == "-o"]
        only = int(flags[flags.index("-p") + 1]) if "-p" in flags else None
        lines = [
            " ".join(self._ps_cell(process, cell) for cell in wanted)
            for process in self.processes.values()
            if only in (None, process.pid)
        ]
        return "".join(line + "\n" for line in lines)

    def _ps_cell(self, process: Process, cell: str) -> str:
        if cell == "etime":
            passed = self.seconds - process.start_ns // 1_000_000_000
            return f"{passed // 3600:02}:{passed % 3600 // 60:02}:{passed % 60:02}"
        name = process.wpar.name if process.wpar else "Global"
        return {"pid": f"{process.pid:8}", "ppid": f"{process.ppid:8}", "wpar": name}[cell]

    def perfstat_wpar_total(self, size_known: int = 72) -> Any:
        """A function like libperfstat's, of a release whose structure has this size."""

        def total(_name: Any, buffer: Any, size: int, number: int) -> int:
            active = [wpar for wpar in self.wpars.values() if wpar.cid]
            if size != size_known:
                return -1
            if buffer is None:
                return len(active)
            for at, wpar in enumerate(active[:number]):
                kind = 0x80000000 if wpar.type == "A" else 0
                entry = struct.pack(">26s2xIHxxIiiQi", wpar.name.encode(), kind, wpar.cid, 4, 0, 0, 4096, 0)
                entry = entry.ljust(64, b"\0") + (b"\0\0\0\0\0\0\0\1" if size == 72 else b"")
                buffer[at * size : (at + 1) * size] = entry
            return min(number, len(active))

        return total

    def getprocs64(self, size_known: int = 4952, cid_at: int = 4944) -> Any:
        """A function like getprocs64, of a release with this size and this (made up) place of pi_cid."""

        def call(buffer: Any, size: int, _files: Any, _file_size: int, index: Any, count: int) -> int:
            if size != size_known:
                return -1
            first = int.from_bytes(index.raw, "big")
            chosen = [pid for pid in sorted(self.processes) if pid >= first]
            for at, pid in enumerate(chosen[:count]):
                process = self.processes[pid]
                entry = bytearray(size)
                struct.pack_into(">ii", entry, 0, pid, process.ppid)
                struct.pack_into(">I", entry, 16, process.uid)
                struct.pack_into(">I", entry, 64, 0 if process.zombie else 1)
                struct.pack_into(">q", entry, 1520, process.start_ns // 1_000_000_000)
                struct.pack_into(">H", entry, cid_at, process.cid)
                buffer[at * size : (at + 1) * size] = bytes(entry)
            following = chosen[count] if len(chosen) > count else 0x7FFFFFFF
            index[0:4] = following.to_bytes(4, "big")
            return min(count, len(chosen))

        return call

    # --- trails -----------------------------------------------------------------------------------------------------

    def auditpr(
        self,
        letters: str = "elRtcW",
        titles: int = 1,
        numeric: bool = False,
        wrap: int = 0,
        one_line: bool = False,
        strip: bool = False,
    ) -> bytes:
        """The text trail: `-h`, `-t`, `-r`, broken at `wrap` as a terminal does, `-w`, trailing blanks lost."""
        head = [
            " ".join(f"{COLUMNS[x][0]:{COLUMNS[x][1]}}" for x in letters) + " ",
            " ".join("-" * COLUMNS[x][1] for x in letters) + " ",
        ]
        lines = [line.encode() for line in head] if titles == 1 else []
        for record in self.records:
            if titles == 2:
                lines += [line.encode() for line in head]
            row = b" ".join(_cell(record, x, numeric).ljust(COLUMNS[x][1]) for x in letters) + b" "
            if one_line:
                lines.append(row + record.tail)
            else:
                lines += [row, *(b"        " + record.tail).split(b"\n")]
        if wrap:
            lines = [line[at : at + wrap] for line in lines for at in range(0, max(len(line), 1), wrap)]
        if strip:
            lines = [line.rstrip(b" ") for line in lines]
        return b"".join(line + b"\n" for line in lines)

    def relayed(self) -> bytes:
        """One line per record with its blanks collapsed, as a syslog relay leaves `-h eclrRdi`."""
        lines = []
        for record in self.records:
            words = [
                record.event,
                record.comm or "-",
                USERS[record.luid],
                USERS[record.uid],
                record.status,
                _date(record, micros=True),
                "No associated roles",
            ]
            lines.append(" ".join(words).encode() + b" " + record.tail.replace(b"\n", b"#012") + b"\n")
        return b"".join(lines)

    def trail(self, version: int = 3, kernel64: bool = True, bins: str = "", order: str = ">") -> bytes:
        """The binary trail. `bins`: "" (a stream), "32", "64", "64packed", or "compressed".

        Version 5 has an extension of 48 bytes with key and name; its layout is made up.
        """
        body = b"".join(_pack(record, version, kernel64, order) for record in self.records)
        if not bins:
            return body
        return _bin(0, len(body), bins, order) + body + _bin(1, len(body), bins, order)


def _text_tail(event: str, values: tuple[Any, ...]) -> bytes:
    text = FORMATS[event]
    return (text % values).encode("utf-8", "surrogateescape")


def _date(record: Record, micros: bool = False) -> str:
    when = time.gmtime(record.seconds)
    if micros:
        return time.strftime("%d %b %Y %H:%M:%S", when) + f".{record.nanos // 1000:06}"
    return time.strftime("%a %b %e %H:%M:%S %Y", when)


def _cell(record: Record, letter: str, numeric: bool) -> bytes:

    def user(number: int) -> str:
        return str(number) if numeric else USERS.get(number, str(number))  # a number that nobody has stays one

    text = {
        "e": lambda: record.event,
        "l": lambda: user(record.luid),
        "r": lambda: user(record.uid),
        "R": lambda: record.status,
        "t": lambda: _date(record),
        "d": lambda: _date(record, micros=True),
        "c": lambda: record.comm,
        "p": lambda: str(record.pid),
        "P": lambda: str(record.ppid),
        "T": lambda: str(record.tid),
        "W": lambda: record.wpar.name if record.wpar else "Global",
    }[letter]()
    return text.encode()


def _pack(record: Record, version: int, kernel64: bool, order: str) -> bytes:
    tail = b""
    for value in record.values:
        if isinstance(value, int):
            tail += struct.pack(order + "I", value & 0xFFFFFFFF)
        else:
            tail += str(value).encode("utf-8", "surrogateescape") + b"\0"
    extension = b"\0\0\0\0\0\xf7\x2f\xda"
    if version >= 3:
        extension += struct.pack(order + "2I", record.seconds >> 32, record.seconds & 0xFFFFFFFF)
    if version >= 5:
        name = record.wpar.name if record.wpar else "Global"
        extension += struct.pack(order + "I28s", record.wpar.key if record.wpar else 0, name.encode())
    magic = len(extension) << 8 | version | (0x80 if kernel64 else 0)
    base = struct.pack(
        order + "HH16sIII32siiiii",
        magic,
        len(tail),
        record.event.encode(),
        STATUS[record.status],
        record.uid,
        record.luid,
        record.comm.encode(),
        record.pid,
        record.ppid,
        record.tid,
        record.seconds,
        record.nanos,
    )
    return base + extension + tail


def _bin(kind: int, length: int, form: str, order: str) -> bytes:
    packed = length // 2 if form == "compressed" else length
    wide = form.startswith("64")
    head = struct.pack(order + "HBBII", 0xF0F0, 0x84 if wide else 4, kind, length, packed)
    if form == "64":
        head += struct.pack(order + "4xq", EPOCH)
    elif wide:
        head += struct.pack(order + "q", EPOCH)
    else:
        head += struct.pack(order + "i", EPOCH)
    return head + b"\0\0\0\0\0\xf7\x2f\xda"


# --- what happened ----------------------------------------------------------------------------------------------------


def scenario() -> Machine:
    """A machine on which everything that is hard has happened once."""
    m = Machine()
    long_name = "wpar_name_of_25_chars_xxx"
    for name, kind, rootvg in (
        ("webapp_prod", "S", False),
        ("db_test-01", "S", True),
        ("legacy53", "L", False),
        ("app_batch", "A", False),
        (long_name, "S", False),
        ("stopped_one", "S", False),
    ):
        m.make(name, kind, rootvg)
    web = m.start("webapp_prod", 1)
    db = m.start("db_test-01", 2)
    m.start("app_batch", 40000)  # above the signed range
    m.start(long_name, 5)
    m.start("legacy53", 6)
    shell = _service(m, web, "/usr/sbin/sshd -D -R", uid=210)
    m.record(shell, "USER_Login", "appusr", "/dev/pts/0")
    m.record(shell, "USER_SU", "root", status="FAIL_AUTH")
    other = _service(m, db, "/opt/db/bin/server", uid=210)  # the same uid in two WPARs
    m.record(other, "FILE_Unlink", "/home/a file with blanks\nand  a second line")
    m.record(other, "FILE_Rename", "/home/x", "/etc/x", status="FAIL_ACCESS")
    m.record(m.wpars["app_batch"].init, "FILE_Open", 2, 0o644, 3, "/etc/hosts")
    m.record(m.wpars[long_name].init, "FS_Chdir", "/")
    m.record(m.shell, "PROC_Kill", shell, 9, status="FAIL_PRIV")
    m.exit(shell)  # gone before anybody looks
    m.tick(10)
    m.fork(db, comm="ksh", args="-ksh", pid=shell)  # its pid again, in another WPAR, with another start
    m.exit(m.fork(db), zombie=True)
    _restart(m)
    entering = m.fork(m.shell)
    m.execute(entering, "/usr/sbin/clogin", "webapp_prod", "/usr/bin/ps")
    return m


def _service(m: Machine, parent: int, line: str, uid: int) -> int:
    pid = m.fork(parent)
    m.processes[pid].uid = m.processes[pid].luid = uid
    m.execute(pid, *line.split())
    return pid


def _restart(m: Machine) -> None:
    """Restart with another CID, a CID that is used again, two WPARs that exchange theirs."""
    m.stop("webapp_prod")
    m.stop("db_test-01")
    m.record(m.start("webapp_prod", 2), "FS_Chdir", "/home")
    m.record(m.start("db_test-01", 1), "FS_Chdir", "/data")


def write(target: Path) -> None:
    """Write the scenario: the machine's tree, every trail, every listing, and the truth."""
    m = scenario()
    m.write_tree(target / "root")
    outputs = {
        "auditpr-default.txt": m.auditpr(),
        "auditpr-wrapped80.txt": m.auditpr(wrap=80),
        "auditpr-numeric-all.txt": m.auditpr("elrRtpPTcW", numeric=True),
        "auditpr-no-wpar.txt": m.auditpr("elRtcp"),
        "auditpr-titles-each.txt": m.auditpr(titles=2),
        "auditpr-one-line.txt": m.auditpr(one_line=True),
        "auditpr-relayed.txt": m.relayed(),
        "trail-stream-v3.bin": m.trail(),
        "trail-bins64.bin": m.trail(bins="64"),
        "trail-bins32.bin": m.trail(kernel64=False, bins="32"),
        "trail-compressed.bin": m.trail(bins="compressed"),
        "trail-v5-made-up.bin": m.trail(version=5),
        "lswpar.txt": m.lswpar().encode(),
        "lswpar-c-q.txt": m.lswpar("-c", "-q").encode(),
        "lswpar-L.txt": m.lswpar("-L").encode(),
        "ps-ef-at.txt": m.ps(["-ef@"]).encode(),
        "ps-pid-wpar.txt": m.ps(["-e", "-o", "pid=", "-o", "wpar="]).encode(),
        "truth.json": b"".join(json.dumps(record.truth).encode() + b"\n" for record in m.records),
    }
    for name, data in outputs.items():
        (target / name).write_bytes(data)


def main(argv: list[str]) -> int:
    """Write everything into the directory that is named."""
    if len(argv) != 2 or argv[1].startswith("-"):
        print(
            "usage: scripts/aix-sim DIRECTORY\nWrites a simulated AIX machine: trails, /proc, listings, and the truth."
        )
        return 0 if argv[1:] in (["-h"], ["--help"]) else 2
    target = Path(argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write(target)
    print(f"{target}: {sum(1 for path in target.rglob('*') if path.is_file())} files")
    return 0
