"""Trees of state files for these tests, and a writer of small BoltDB files."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = 4096
SAMPLES = Path(__file__).parents[3] / "samples" / "linux" / "engines"

Tree = dict[bytes, Any]
"""Keys to values (bytes) or buckets (trees)."""


def fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return value


def leaf(number: int, entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """One leaf page with its overflow."""
    bodies = b"".join(key + value for _, key, value in entries)
    at, table = 16 * len(entries), b""
    for index, (flags, key, value) in enumerate(entries):
        table += struct.pack("<4I", flags, at - 16 * index, len(key), len(value))
        at += len(key) + len(value)
    size = 16 + len(table) + len(bodies)
    pages = -(-size // PAGE)
    return (struct.pack("<QHHI", number, 2, len(entries), pages - 1) + table + bodies).ljust(pages * PAGE, b"\0")


def meta(txid: int, root: int, high: int, number: int = 0) -> bytes:
    """A meta page."""
    body = struct.pack("<4I6Q", 0xED0CDAED, 2, PAGE, 0, root, 0, 2, high, txid, 0)[:56]
    page = struct.pack("<QHHI", number, 4, 0, 0) + body + struct.pack("<Q", fnv1a(body))
    return page.ljust(PAGE, b"\0")


def bolt(tree: Tree, txid: int = 7) -> bytes:
    """A file with these buckets; a bucket of one short value lies inline, every other has a page of its own."""
    pages: list[bytes] = []

    def place(level: Tree) -> int:
        entries = []
        for key, value in sorted(level.items()):
            if not isinstance(value, dict):
                entries.append((0, key, value))
            elif len(value) == 1 and isinstance(one := next(iter(value.items()))[1], bytes) and len(one) < 100:
                inner = leaf(0, [(0, *next(iter(value.items())))])
                entries.append((1, key, struct.pack("<2Q", 0, 0) + inner[: 200 + len(one)]))
            else:
                entries.append((1, key, struct.pack("<2Q", place(value), 0)))
        number = 3 + sum(len(page) // PAGE for page in pages)
        pages.append(leaf(number, entries))
        return number

    root = place(tree)
    high = 3 + sum(len(page) // PAGE for page in pages)
    freelist = struct.pack("<QHHI", 2, 16, 0, 0).ljust(PAGE, b"\0")
    return meta(txid, root, high) + meta(txid - 1, root, high, 1) + freelist + b"".join(pages)


@pytest.fixture(scope="session")
def bolt_file() -> Callable[..., bytes]:
    """Makes the bytes of a BoltDB file."""
    return bolt


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file below the tree, owned by `owner` where we may; what is neither bytes nor text becomes JSON."""

    def write(path: str, content: bytes | str | Mapping[str, Any] | list[Any], *, owner: int = 0) -> Path:
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, bytes | str) else json.dumps(content)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(target, owner, owner)
        return target

    return write


@pytest.fixture
def samples() -> Path:
    """The recorded trees."""
    return SAMPLES
