"""Commands that begin, end or enter a WPAR, read from the argument line of a PROC_Execute record.

Syntax: IBM's pages *startwpar*, *stopwpar*, *rebootwpar*, *mkwpar*, *rmwpar*, *wparexec*, *restwpar*, *clogin*
(7.1, 7.2). The name of a WPAR is the last word of those that start, stop, restart and remove one. The commands of the
fileset mcr.rte (checkpoint, restart, move) are known by name only: which WPAR they are about is not read, so all are
doubted.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix.record import GLOBAL, wpar_name

if TYPE_CHECKING:
    from collections.abc import Sequence


class Verb(StrEnum):
    """What a command does to a WPAR."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    MAKE = "make"
    REMOVE = "remove"
    RUN = "run"  # wparexec: an application WPAR is made, started, and gone with its command
    ENTER = "enter"  # clogin: a session from Global
    CHANGE = "change"


LIFETIME_VERBS = frozenset({Verb.START, Verb.STOP, Verb.RESTART, Verb.REMOVE, Verb.RUN})
"""What may begin or end a life, and with it a CID: `wpar.Inventory.hint` is for these."""


class WparCommand(NamedTuple):
    """`pid` runs a command about WPAR `name` ("" where the command line does not say). Look at the inventory again."""

    verb: Verb
    name: str
    pid: int
    how: str


_VERBS = {
    b"startwpar": Verb.START,
    b"stopwpar": Verb.STOP,
    b"rebootwpar": Verb.RESTART,
    b"mkwpar": Verb.MAKE,
    b"restwpar": Verb.MAKE,
    b"rmwpar": Verb.REMOVE,
    b"wparexec": Verb.RUN,
    b"clogin": Verb.ENTER,
    b"chwpar": Verb.CHANGE,
    b"chkptwpar": Verb.STOP,
    b"killwpar": Verb.STOP,
    b"resumewpar": Verb.START,
    b"restartwpar": Verb.START,
    b"movewpar": Verb.RESTART,
}

_NAMED_LAST = frozenset((b"startwpar", b"stopwpar", b"rebootwpar", b"rmwpar", b"chwpar"))
"""Commands whose last word is the name."""

_ENDS_ITS_OWN = frozenset((b"shutdown", b"reboot", b"halt", b"fasthalt", b"fastboot"))
"""Run inside a WPAR these stop or restart that WPAR (IBM *Modified and enhanced AIX commands for WPARs*)."""

_LISTS = frozenset((b"-D", b"-I", b"-L", b"-M", b"-N", b"-R", b"-S", b"-T", b"-X"))
"""Flags of mkwpar and wparexec that are followed by words `attribute=value`."""

_VALUED = frozenset((b"-b", b"-B", b"-d", b"-e", b"-E", b"-f", b"-g", b"-h", b"-H", b"-n", b"-o", b"-p", b"-u"))
"""Flags of mkwpar, restwpar and wparexec that are followed by one word."""


def read(words: Sequence[bytes], pid: int, wpar: bytes | None) -> WparCommand | None:
    """The command that these words run, in the WPAR that the record names; None for any other.

    Inside a WPAR only those that end it itself count: nobody there can say anything of another.
    """
    command = words[0].rsplit(b"/", 1)[-1]
    how = command.decode("ascii", "backslashreplace")
    if wpar not in (None, GLOBAL):
        name = wpar_name(wpar or b"")
        if name is None or command not in _ENDS_ITS_OWN:
            return None
        return WparCommand(Verb.STOP, name.decode("utf-8", "backslashreplace"), pid, how)
    verb = _VERBS.get(command)
    if verb is None or (command == b"wparexec" and b"-w" in words[: _command_at(words)]):
        return None  # `-w`: it writes a specification, and runs nothing
    if command == b"stopwpar" and b"-r" in words:
        verb = Verb.RESTART
    named = wpar_name(_named(command, words)) or b""
    return WparCommand(verb, named.decode("utf-8", "backslashreplace"), pid, how)


def _named(command: bytes, words: Sequence[bytes]) -> bytes:
    """The WPAR a command line is about, b"" where it does not say."""
    if command in _NAMED_LAST:
        return words[-1] if len(words) > 1 else b""
    if command == b"clogin":
        rest = iter(words[1:])
        for word in rest:
            if not word.startswith(b"-"):
                return word
            if word == b"-l":
                next(rest, b"")
        return b""
    options = words[1 : _command_at(words)]
    for flag in (b"-n", b"-p"):
        if flag in options[:-1]:
            return options[options.index(flag) + 1]
    return b""


def _command_at(words: Sequence[bytes]) -> int:
    """Where the options of mkwpar, restwpar or wparexec end: before `--`, or the command that wparexec is to run."""
    at = 1
    while at < len(words):
        word = words[at]
        if word == b"--" or not word.startswith(b"-"):
            return at
        at += 1
        if word in _LISTS:
            while at < len(words) and b"=" in words[at] and not words[at].startswith((b"-", b"/")):
                at += 1
        elif word in _VALUED:
            at += 1
    return at
