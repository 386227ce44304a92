"""Ship what is new in a log, as JSON lines on standard output: `python ship_json.py audit.log web1 web1.state`.

Each call goes on where the last one stopped, on this machine or on another that has the log and the state file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import annotator

CHUNK = 1 << 20


def load(path: Path) -> tuple[int, bytes | None]:
    """How many bytes of the log were fed, and the stream's state; 0 and None for the first call."""
    if not path.exists():
        return 0, None
    offset, _, state = path.read_bytes().partition(b"\n")
    return int(offset), state


def save(path: Path, offset: int, state: bytes) -> None:
    """Keep both in one file, replaced in one step: they belong together."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(b"%d\n%b" % (offset, state))
    new.replace(path)


def main(log: Path, node: str, kept: Path) -> None:
    """Feed what is new."""
    offset, state = load(kept)
    stream = annotator.Stream(node=node, form="json", state=state)
    with log.open("rb") as file:
        file.seek(offset)
        while data := file.read(CHUNK):
            sys.stdout.buffer.write(stream.feed(data))
            offset += len(data)
    sys.stdout.buffer.flush()  # what has left must have arrived before the state says so
    save(kept, offset, stream.state())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
