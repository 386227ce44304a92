"""What the audit library (auparse) makes of a log: its events, and what it says of each.

Run as a program it prints them, a line per event: `oracle_auparse.py FILE [--fields]`. It is run so, in a process of
its own, because logs may be hostile and the library is written in C.
"""

from __future__ import annotations

import subprocess
import sys
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.formats.raw import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT = 2
"""Seconds of the stream's time after which auparse gives an event up (its default, set so as to be sure)."""


class Key(NamedTuple):
    """What names an event: its node (b"" where the lines name none), milliseconds of the stamp, serial."""

    node: bytes
    ms: int
    serial: int

    def __str__(self) -> str:
        """As audit writes it."""
        node = f"node={self.node.decode('utf-8', 'backslashreplace')} " if self.node else ""
        return f"{node}{self.ms // 1000}.{self.ms % 1000:03d}:{self.serial}"


Assembler = dict[Key, list[int]]
"""How many records each event of a key has: one number, or several where the key was made into several events."""


def ask(path: Path, *, fields: bool = False, timeout: float = 600) -> list[str]:
    """What auparse makes of a file, one text per event, in its order. Raises SubprocessError when it dies or hangs."""
    command = [sys.executable, __file__, str(path), *(["--fields"] if fields else [])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").splitlines()


def groups_of(events: list[str]) -> Assembler:
    """The lines of `ask` as groups."""
    groups: Assembler = {}
    for line in events:
        node, ms, serial, count = line.split(" ")[:4]
        groups.setdefault(Key(bytes.fromhex(node[1:]), int(ms), int(serial)), []).append(int(count))
    return groups


def _guarded(read: Callable[[], Any]) -> str:
    """A value of the library's; what it cannot give (no such thing, not UTF-8) is a `!` and the error's name."""
    try:
        return str(read())
    except (RuntimeError, ValueError, LookupError, OSError, TypeError) as error:
        return f"!{type(error).__name__}"


def _fields(parser: Any) -> Iterator[str]:
    """Every field of the current event with its value and meaning, record by record, but for ours."""
    for record in range(parser.get_num_records()):
        parser.goto_record_num(record)
        yield f"record {_guarded(parser.get_type)}"
        fields = _guarded(parser.get_num_fields)
        if not fields.isdigit():  # the library cannot read the record at all
            continue
        parser.first_field()
        for _ in range(int(fields)):
            name = _guarded(parser.get_field_name)
            if name not in NAMES:
                yield f"{name}={_guarded(parser.get_field_str)} {_guarded(parser.interpret_field)}"
            parser.next_field()


def _meaning(parser: Any) -> Iterator[str]:
    """What the library's normaliser says of the current event."""
    yield _guarded(lambda: parser.aup_normalize(0))
    for name in ("get_event_kind", "get_action", "get_results", "how", "key", "session", "subject_primary",
                 "subject_secondary", "subject_kind", "object_primary", "object_secondary", "object_kind"):  # fmt: skip
        answer = _guarded(getattr(parser, f"aup_normalize_{name}"))
        yield f"{name} {answer} {_guarded(parser.get_field_name)}={_guarded(parser.get_field_str)}"


def _name(stamp: Any) -> str:
    """Node (hex after an `n`), milliseconds, serial. Where the library reads 0 seconds it has no time to give."""
    if stamp is None:
        return "n 0 0"
    node = (_guarded(lambda: stamp.host) if stamp.host is not None else "").encode("utf-8", "surrogateescape")
    return f"n{node.hex()} {stamp.sec * 1000 + stamp.milli} {stamp.serial}"


def main(path: str, *options: str) -> None:
    """Print the events of a file: node in hex after an `n`, milliseconds, serial, records; --fields: and a digest."""
    import auparse

    parser = auparse.AuParser(auparse.AUSOURCE_FILE, path)
    parser.set_eoe_timeout(TIMEOUT)
    while parser.parse_next_event():
        stamp = parser.get_timestamp()
        line = f"{_name(stamp)} {parser.get_num_records()}"
        if options and stamp is not None:  # an event without a time has no fields that it would give
            text = "\n".join((*_fields(parser), *_meaning(parser)))
            line += " " + blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
