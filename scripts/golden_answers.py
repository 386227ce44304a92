"""What is kept of a run, so that a difference can be shown and not only seen.

Of the JSON form every document is kept. Of the raw and the record form what differs from the input: inserted lines, and
what a line has more. Of the msgpack form each document's digest: what it says is what the JSON form says. Digests of
the whole outputs stand beside (runs.tsv), for whatever this leaves out.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDE = 400
"""Characters of a line that are shown."""


def text(data: bytes) -> str:
    """Bytes as one can read them; what is no text as escapes."""
    return data.decode("utf-8", "backslashreplace").replace("\r", "\\r").replace("\0", "\\0")


# --- what is kept -----------------------------------------------------------------------------------------------------


def kept(run: str, out: bytes, data: bytes) -> list[str]:
    """The lines that are kept of an output, and compared."""
    form = run.partition(".")[0]
    if form == "json":
        return [text(line) for line in out.split(b"\n")[:-1]]
    return list(_documents(out) if form == "msgpack" else _added(out, data))


def _documents(out: bytes) -> Iterator[str]:
    """A line for each document: its event, its length and digest."""
    unpacker = msgpack.Unpacker(io.BytesIO(out), raw=True, strict_map_key=False, max_buffer_size=0)
    at = 0
    for found in unpacker:
        end = unpacker.tell()
        event = found.get(b"event", {})
        stamp = f"{text(found.get(b'@timestamp', b'-'))}:{event.get(b'sequence', '-')}"
        yield f"{stamp} {end - at} bytes {hashlib.sha256(out[at:end]).hexdigest()[:10]}"
        at = end


def _added(out: bytes, data: bytes) -> Iterator[str]:
    """What an output has more than its input, by the number of the input's line; lines that came as they were, not."""
    before = data.split(b"\n")
    at = 0
    for line in out.split(b"\n"):
        old = before[at] if at < len(before) else None
        if old == line:
            at += 1
        elif old is not None and (more := _insertion(old, line)) is not None:
            at += 1
            yield f"{at}: {text(more)}"
        else:
            yield f"before {at + 1}: {text(line)}"
    if at < len(before):
        yield f"{len(before) - at} lines of the input are missing from line {at + 1} on"


def _insertion(old: bytes, new: bytes) -> bytes | None:
    """What was put into one place of a line, from its first blank on; None when that is not all that happened."""
    more = len(new) - len(old)
    if more <= 0 or not new.startswith(old[:10]):
        return None
    start = len(_common(old, new))
    if new[start + more :] != old[start:]:
        return None
    while new[start : start + 1] != b" " and start > 0 and new[start - 1] == new[start + more - 1]:
        start -= 1
    return new[start : start + more]


def _common(old: bytes, new: bytes) -> bytes:
    """The common beginning of two lines."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return old[:low]


# --- what is shown ----------------------------------------------------------------------------------------------------


def answer(document: dict[str, Any]) -> str:
    """One event in a line: stamp, serial, status, containers, how or why, flags, session, targets."""
    said = document.get("provenance", {})
    node = document.get("host", {}).get("name", "")
    chains = ",".join("^".join(map(str, chain)) for chain in said.get("chains", ())) or "-"
    how = "+".join(said.get("evidence", ())) or said.get("reason", "-")
    words = [
        f"{document.get('@timestamp', '-')}:{document.get('event', {}).get('sequence', '-')}",
        *([f"node={node}"] if node else []),
        str(said.get("status", "-")),
        chains,
        str(document.get("container", {}).get("id", document.get("container", {}).get("name", "-"))),
        how,
        "+".join(said.get("flags", ())) or "-",
        str(said.get("session", {}).get("id", "-")),
    ]
    more = [f"{name}={json.dumps(said[name], sort_keys=True)}" for name in ("targets", "src", "dst") if name in said]
    return " ".join([*words, *more])


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    """Every value of a document by its path."""
    if isinstance(value, dict) and value:
        return {name: leaf for key, part in value.items() for name, leaf in _leaves(part, f"{path}.{key}").items()}
    if isinstance(value, list) and value:
        return {name: leaf for at, part in enumerate(value) for name, leaf in _leaves(part, f"{path}[{at}]").items()}
    return {path.lstrip("."): json.dumps(value, ensure_ascii=False)}


def _object(line: str) -> dict[str, Any] | None:
    """A line that is a JSON object."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def change(old: str | None, new: str | None) -> str:
    """One line that was `old` and is `new`; None: there was none, or is none."""
    before, after = _object(old or ""), _object(new or "")
    if before is None or after is None:  # not both are there, or no JSON
        short = [
            answer(found) if found and "@timestamp" in found else line for found, line in ((before, old), (after, new))
        ]
        return " -> ".join("nothing" if line is None else line[:WIDE] for line in short)
    was = now = "the run"
    if "@timestamp" in before and "@timestamp" in after:
        was, now = answer(before), answer(after)
    if was != now:
        return f"{was} -> {now}"
    here, there = _leaves(before), _leaves(after)
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    told = "; ".join(f"{name}: {here.get(name, 'nothing')} -> {there.get(name, 'nothing')}" for name in names)
    return f"{was}: {(told or 'the same values, written otherwise')[:WIDE]}"


def changes(old: list[str], new: list[str]) -> Iterator[str]:
    """Each line that changed. Lists of one length are compared in pairs; else what was put in or left out is found."""
    if len(old) == len(new):
        yield from (change(*pair) for pair in zip(old, new, strict=True) if pair[0] != pair[1])
        return
    for tag, low, high, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for at in range(max(high - low, end - start)):
            yield change(
                old[low + at] if low + at < high else None,
                new[start + at] if start + at < end else None,
            )
