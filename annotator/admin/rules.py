"""Audit rules: the files of `rules/`, the levels they make, and the same rules for machines with other system calls.

The files are written for x86-64. Elsewhere names are missing (aarch64 has no fork), and auditctl(8) refuses a rule that
names one, with all rules behind it. So what a machine lacks is left out of its files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from annotator.core.errors import UsageError
from annotator.linux.records.tables import SYSCALLS

LEVELS: Final = {
    "contid": "74-annotator-contid.rules",
    "minimal": "75-annotator-minimal.rules",
    "lineage": "76-annotator-lineage.rules",
    "namespaces": "77-annotator-namespaces.rules",
    "signals": "78-annotator-signals.rules",
    "network": "79-annotator-network.rules",
}
"""Levels and their files, in the order in which they load."""

DEFAULT: Final = ("minimal", "namespaces")
"""What a live plugin needs: forks and exits it hears from the proc connector."""

LOST: Final = {
    "minimal": "which program a process runs, and the command lines of engines",
    "lineage": "births and ends of processes: a log alone proves next to nothing (live, the proc connector tells)",
    "namespaces": "who enters a container from outside, and for a log alone most containers",
    "signals": "targets of signals and ptrace (cont_target)",
    "network": "nothing but the connections themselves",
}
"""What is lost without a level, in words for doctor."""

_TABLES: Final = {
    "x86_64": ("x86_64", "i386"),
    "aarch64": ("aarch64", "armeb"),
    "ppc64le": ("ppc64le", ""),
    "ppc64": ("ppc64", "ppc"),
    "s390x": ("s390x", "s390"),
    "riscv64": ("riscv64", ""),
    "i686": ("", "i386"),
    "i586": ("", "i386"),
}
"""Machines (uname(2)) to the tables of their system calls: for arch=b64, for arch=b32 ("": the machine has none)."""

_RULE = re.compile(r"^-a \S+ -F arch=(b64|b32) -S (\S+)(.*)$")
_FLAGS = re.compile(r"( -F a)0(&0x)")


class Rule(NamedTuple):
    """One rule of a file, as far as it names system calls. `action` is `always,exit` or `never,exit`."""

    action: str
    arch: str
    calls: tuple[str, ...]
    rest: str


def directory() -> Path:
    """Where the rule files are: in an installed package beside `data`, in a checkout at its top."""
    packaged = Path(__file__).parent.parent / "data" / "rules"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent.parent / "rules"


def source(level: str) -> str:
    """The text of a level's file as it was written. Raises UsageError."""
    if level not in LEVELS:
        raise UsageError(f"there is no rule level `{level}`", "Known: " + " ".join(LEVELS))
    try:
        return (directory() / LEVELS[level]).read_text("utf-8")
    except OSError as err:
        raise UsageError(f"{err.filename}: {err.strerror}", "The package is incomplete: install it again.") from err


def read(text: str) -> list[Rule]:
    """The rules of a file; comments and what names no system call are left out."""
    found: list[Rule] = []
    for line in text.splitlines():
        match = _RULE.match(line)
        if match is not None:
            action = line.split(" ", 2)[1]
            found.append(Rule(action, match[1], tuple(match[2].split(",")), match[3]))
    return found


def render(text: str, machine: str) -> str:
    """The same file for a machine (`uname -m`); a machine that is not known gets it as it is."""
    tables = _TABLES.get(machine)
    if tables is None:
        return text
    return "".join(line for each in text.splitlines(keepends=True) if (line := _line(each, tables, machine)))


def _line(line: str, tables: tuple[str, str], machine: str) -> str:
    match = _RULE.match(line.rstrip("\n"))
    if match is None:
        return line
    table = tables[match[1] == "b32"]
    known = SYSCALLS.get(table, {}).values()
    calls = [name for name in match[2].split(",") if name in known]
    if not calls:
        return ""
    line = line.replace(f" -S {match[2]}", " -S " + ",".join(calls), 1)
    if machine == "s390x" and calls == ["clone"]:
        line = _FLAGS.sub(r"\g<1>1\2", line)  # there clone(2) has its flags in its second argument
    return line


def levels_of(listing: str) -> dict[str, set[str]]:
    """Of `auditctl -l`: which system calls some rule of the exit list asks for, without a filter on who, by arch.

    A rule for all system calls (`-S all`) counts as every name.
    """
    found: dict[str, set[str]] = {"b64": set(), "b32": set()}
    for line in listing.splitlines():
        words = line.split()
        if "-a" not in words or not {"always,exit", "exit,always"} & set(words):
            continue
        if any(re.match(r"(?:e?[ug]id|fs[ug]id|s[ug]id|auid|obj_|subj_|exe|dir|path|contid|sessionid|ppid|pid)", one)
               for one in words if words[words.index(one) - 1] == "-F"):  # fmt: skip
            continue
        arch = next((one[5:] for one in words if one.startswith("arch=")), "b64")
        for at, one in enumerate(words[:-1]):
            if one == "-S":
                found.setdefault(arch, set()).update(words[at + 1].split(","))
    return found


def missing(listing: str, machine: str) -> dict[str, list[str]]:
    """Of each level, what is not asked for by the loaded rules: `b64:execve`; [] when all of it is."""
    loaded = levels_of(listing)
    found: dict[str, list[str]] = {}
    for level in LEVELS:
        lacking = found[level] = []
        for rule in read(render(source(level), machine)):
            if rule.action == "always,exit" and "all" not in loaded[rule.arch]:
                names = [f"{rule.arch}:{name}" for name in rule.calls if name not in loaded[rule.arch]]
                lacking += [name for name in names if name not in lacking]
    return found
