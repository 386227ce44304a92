"""A laboratory on this kernel: a private auditd, our plugin (and laurel) on its stream, and a witness beside it.

Nothing of the machine's own audit set-up is used or changed: the lab refuses to start where an auditd runs or rules are
loaded, has its own configuration, log and rules (only for its own auid), and puts the kernel's settings back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
AUID = 1_870_421_007
"""The login id of everything a scenario does; nobody has it."""

LOCK = Path("/run/lock/annotator-audit.lock")
"""There is one audit stream in a kernel: laboratories take turns."""

RULES = tuple(
    HERE.parent.parent / "rules" / f"7{name}.rules" for name in ("5-annotator-minimal", "7-annotator-namespaces")
)
"""What `annotator install` loads where nothing else is said."""

CALLS = (
    "execve,execveat,fork,vfork,clone,clone3,exit_group,setns,unshare,pivot_root,kill,tgkill,ptrace,"
    "mkdir,mkdirat,rmdir,unlink,unlinkat,connect"
)

AUDITD = """\
local_events = yes
write_logs = yes
log_file = {dir}/audit.log
log_group = root
log_format = ENRICHED
flush = NONE
max_log_file = 2000
num_logs = 2
name_format = NONE
max_log_file_action = IGNORE
space_left = 2
admin_space_left = 1
space_left_action = IGNORE
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 99999
overflow_action = IGNORE
max_restarts = 100
plugin_dir = {dir}/etc/plugins.d
end_of_event_timeout = 2
"""

PLUGIN = "active = yes\ndirection = out\npath = {path}\ntype = always\nargs = {args}\nformat = string\n"

OURS = """\
[state]
directory = "{dir}/state"
[host]
journal = "{dir}/journal"
[log]
syslog = ""
stderr = true
report_interval_s = 1.0
[metrics]
file = "{dir}/metrics.prom"
interval_s = 1.0
[[output]]
name = "json"
type = "file"
format = "json"
path = "{dir}/ours.json"
max_mib = 0
queue_mib = 1024
when_full = "wait"
"""

RAW = """\
[[output]]
name = "raw"
type = "file"
path = "{dir}/ours.raw"
max_mib = 0
queue_mib = 1024
when_full = "wait"
"""
"""Beside the JSON, where what goes in is held against what comes out."""

LAUREL = """\
directory = "{dir}/laurel"
user = "root"
statusreport-period = 0
[auditlog]
file = "audit.log"
size = 4000000000
generations = 1
[enrich]
container = true
pid = true
"""


class Refused(Exception):
    """The machine cannot be used now, and why."""


def sh(*command: str | Path, timeout: float = 60, check: bool = True) -> str:
    """Run a program of the lab's own; its output."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command))}: {done.returncode}: {done.stdout[-500:]}{done.stderr[-1000:]}"
        )
    return done.stdout


def until(what: str, true: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something."""
    limit = time.monotonic() + seconds
    while not true():
        if time.monotonic() > limit:
            raise TimeoutError(f"never: {what}")
        time.sleep(0.02)


class Lab:
    """Use it in `with`: then all is started, and at the end all is stopped and put back.

    `calls` are recorded, b64, of the laboratory's login alone; "": what the default rules ask for.
    """

    def __init__(self, folder: Path, *, laurel: bool = True, calls: str = CALLS, raw: bool = False) -> None:
        self.dir = folder
        self.calls = calls
        self.config = OURS + (RAW if raw else "")
        self.laurel = laurel and shutil.which("laurel") is not None
        self._status: dict[str, str] = {}
        self._lock = -1
        self._auditd: subprocess.Popen[bytes] | None = None
        self._witness: subprocess.Popen[bytes] | None = None

    # --- start and stop -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._take_turn()
        try:
            self._status = status()
            if self._status["pid"] != "0" or running("auditd"):
                raise Refused("an auditd is running on this machine")
            if sh("auditctl", "-l").strip() != "No rules":
                raise Refused("audit rules are loaded on this machine")
            if self._status["enabled"] == "2":
                raise Refused("the audit configuration is locked")
            self._configure()
            self._begin_witness()
            self._begin_auditd()
            self._load_rules()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for step in (self._unload_rules, self._end_auditd, self._end_witness, self._put_back):
            with contextlib.suppress(OSError, subprocess.SubprocessError, RuntimeError):
                step()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_turn(self) -> None:
        self._lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        limit = time.monotonic() + 300
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > limit:
                    os.close(self._lock)
                    raise Refused("another laboratory is at work") from None
                time.sleep(0.5)

    def _configure(self) -> None:
        plugins = self.dir / "etc/plugins.d"
        plugins.mkdir(parents=True, mode=0o750)
        self.dir.chmod(0o700)
        write(self.dir / "etc/auditd.conf", AUDITD.format(dir=self.dir))
        write(self.dir / "annotator.toml", self.config.format(dir=self.dir))
        start = self.dir / "plugin"
        code = "from annotator.plugin import main; raise SystemExit(main())"
        write(start, f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@" 2>>{self.dir}/plugin.err\n', 0o750)
        write(plugins / "ours.conf", PLUGIN.format(path=start, args=self.dir / "annotator.toml"))
        if self.laurel:
            (self.dir / "laurel").mkdir()
            write(self.dir / "laurel.toml", LAUREL.format(dir=self.dir))
            begin = self.dir / "laurel.sh"
            write(begin, f'#!/bin/sh\nexec laurel "$@" 2>>{self.dir}/laurel.err\n', 0o750)
            write(plugins / "laurel.conf", PLUGIN.format(path=begin, args=f"--config {self.dir}/laurel.toml"))

    def _begin_auditd(self) -> None:
        scanned = text(self.dir / "plugin.err").count("event=processes-scanned")
        with (self.dir / "auditd.out").open("ab") as out:
            self._auditd = subprocess.Popen(
                ["auditd", "-n", "-c", self.dir / "etc"], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        until("auditd", lambda: status()["pid"] == str(self._auditd.pid if self._auditd else -1))
        until("our plugin", lambda: text(self.dir / "plugin.err").count("event=processes-scanned") > scanned)
        sh("auditctl", "-b", "65536")
        sh("auditctl", "-f", "1")

    def restart(self) -> None:
        """Stop auditd, and start it again, as an update of it does."""
        assert self._auditd is not None
        end(self._auditd)
        self._begin_auditd()

    def signal(self, number: int) -> None:
        """To auditd."""
        assert self._auditd is not None
        self._auditd.send_signal(number)

    def reload(self) -> None:
        """SIGHUP to the plugin, as auditd sends it when it reads its own configuration again.

        In a storm 3.0.9 does neither, since it cannot learn who sent its (DAEMON_CONFIG, `state=no-change res=failed`).
        """
        if reader := self.reader():
            os.kill(reader, signal.SIGHUP)

    def reader(self) -> int:
        """The plugin's process that auditd started, 0 while there is none."""
        if self._auditd is None:
            return 0
        for pid in children_of(self.dir):
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ours = "laurel" not in Path(f"/proc/{pid}/cmdline").read_text()
                if ours and fields[0] != "Z" and int(fields[1]) == self._auditd.pid:
                    return pid
        return 0

    def _load_rules(self) -> None:
        only = ("-F", "arch=b64", "-F", f"auid={AUID}")
        if not self.calls:
            for rule in (line.split() for path in RULES for line in path.read_text().splitlines() if line[:3] == "-a "):
                if "arch=b64" in rule and rule[1] == "always,exit":
                    sh("auditctl", *rule, "-F", f"auid={AUID}")
            return
        sh("auditctl", "-a", "never,exit", *only, "-S", "clone", "-F", "a0&0x10000")
        sh("auditctl", "-a", "always,exit", *only, "-S", self.calls)

    def _unload_rules(self) -> None:
        if self._auditd is not None:
            sh("auditctl", "-D", check=False)

    def _end_auditd(self) -> None:
        if self._auditd is not None:
            end(self._auditd)
            self._auditd = None
            with contextlib.suppress(TimeoutError):
                until("the plugins' end", lambda: not children_of(self.dir), 15)

    def _begin_witness(self) -> None:
        self._witness = subprocess.Popen([sys.executable, HERE / "witness.py", self.dir / "witness.jsonl"])
        until("the witness", lambda: '"ready"' in text(self.dir / "witness.jsonl"))

    def _end_witness(self) -> None:
        if self._witness is not None:
            end(self._witness)
            self._witness = None

    def _put_back(self) -> None:
        if self._status:
            sh("auditctl", "-b", self._status["backlog_limit"], check=False)
            sh("auditctl", "-f", self._status["failure"], check=False)
            sh("auditctl", "-e", self._status["enabled"], check=False)

    # --- at work ------------------------------------------------------------------------------------------------

    def caught_up(self, seconds: float = 60) -> bool:
        """Wait until the last record of auditd's log is in our raw output; whether it came."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            last = (tail(self.dir / "audit.log").splitlines() or [""])[-1]
            if last.partition("\x1d")[0] in tail(self.dir / "ours.raw"):
                return True
            time.sleep(0.2)
        return False

    def settle(self, seconds: float = 60) -> None:
        """Wait until what is in the log by now has been answered, by us and by laurel."""
        time.sleep(0.3)
        last = int((re.findall(r"msg=audit\([0-9.]+:(\d+)\)", tail(self.dir / "audit.log")) or ["0"])[-1])
        limit = time.monotonic() + seconds

        def reached(path: Path, pattern: str) -> bool:
            found = [int(one) for one in re.findall(pattern, tail(path))]
            return bool(found) and max(found) >= last - 3

        while time.monotonic() < limit:
            ours = reached(self.dir / "ours.json", r'"sequence":(\d+)')
            if ours and (not self.laurel or reached(self.dir / "laurel/audit.log", r'"ID":"[0-9.]+:(\d+)"')):
                break
            time.sleep(0.1)
        time.sleep(0.3)

    @property
    def is_at_work(self) -> bool:
        """Whether events are recorded now."""
        return self._auditd is not None

    def lost(self) -> int:
        """Records the kernel lost since the lab began."""
        return int(status()["lost"]) - int(self._status["lost"])

    def usage(self) -> dict[str, float]:
        """CPU seconds so far, of auditd and of each plugin."""
        found: dict[str, float] = {}
        if self._auditd is None:
            return found
        for pid in [self._auditd.pid, *children_of(self.dir)]:
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                name = "auditd" if pid == self._auditd.pid else "laurel" if "laurel" in command[0] else "ours"
                found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def metric(self, name: str) -> float:
        """One of our plugin's own metrics; 0 when it is not there."""
        found = re.search(rf"^\S*{name}\S* ([0-9.e+]+)$", text(self.dir / "metrics.prom"), re.MULTILINE)
        return float(found[1]) if found else 0.0


def write(path: Path, content: str, mode: int = 0o640) -> None:
    """A file as auditd wants them: root's, and nobody else may write."""
    path.write_text(content)
    path.chmod(mode)


def text(path: Path) -> str:
    """A file's text, "" when it is not there."""
    return path.read_text(errors="replace") if path.exists() else ""


def tail(path: Path) -> str:
    """The end of a file; "" when it is not there."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return file.read().decode(errors="replace")


def status() -> dict[str, str]:
    """What `auditctl -s` says."""
    return {line.split()[0]: line.split()[1] for line in sh("auditctl", "-s").splitlines() if len(line.split()) > 1}


def running(name: str) -> bool:
    """Whether a program of that name runs."""
    for stat in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if stat.read_text().strip() == name:
                return True
    return False


def children_of(folder: Path) -> list[int]:
    """The processes whose command line names the lab's folder (its plugins)."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = one.read_text(errors="replace")
            mine = f"{folder}/annotator.toml" in line or f"{folder}/laurel.toml" in line
            if mine and "auditd" not in line.split("\0")[0]:
                found.append(int(one.parent.name))
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then make it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def scenario(lab: Lab, name: str, *, seconds: float = 120, lasting: float = 0, pause: float = 0) -> dict[str, object]:
    """Run one scenario as its own audited login; says when, and what it did.

    `lasting`: for so many seconds, with so long a `pause` again and again; then what comes of it is not waited for,
    since not everything may.
    """
    began = time.time()
    folder = lab.dir / "cases" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seconds").write_text(f"{lasting} {pause}")

    def login() -> None:
        Path("/proc/self/loginuid").write_text(str(AUID))

    for part in (
        "scenarios.py",
        "case.py",
        "engines.py",
        "networks.py",
        "reuse.py",
    ):  # so that nothing of this tree's own place is in the log
        shutil.copy(HERE / part, lab.dir / part)
    with (lab.dir / f"{name}.out").open("wb") as out:
        done = subprocess.run(
            ["/usr/bin/python3", lab.dir / "scenarios.py", name, folder],
            cwd=lab.dir,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=login,
            timeout=seconds,
            check=False,
        )
    ended = time.time()
    if lab.is_at_work and not lasting:
        lab.settle()
    said = [json.loads(line) for line in text(folder / "notes.jsonl").splitlines()]
    found = {"name": name, "began": began, "ended": ended, "settled": time.time(), "code": done.returncode}
    return {**found, "notes": said, "out": text(lab.dir / f"{name}.out")[-4000:], "usage": lab.usage()}
