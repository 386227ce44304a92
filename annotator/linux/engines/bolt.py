"""Reading a BoltDB file, page by page and read-only: podman up to 4.7, containerd's metadata.

A page: id u64, flags u16, count u16, overflow u32, then `count` elements of 16 bytes, whose positions count from the
element itself. A leaf element is flags u32, position u32, key size u32, value size u32; a branch element is position
u32, key size u32, page u64. Pages 0 and 1 are metas: magic u32, version u32, page size u32, flags u32, root page u64,
root sequence u64, freelist u64, high water mark u64, transaction u64, FNV-1a-64 of all these. A value with the bucket
flag is root page u64, sequence u64, and when that root is 0 a whole page follows. (bbolt: internal/common.) The byte
order is that of the machine which wrote it.

We take no lock, for that would make the engine wait. Bolt writes new pages beside the old ones, and only then a meta;
an old page may be written over once its transaction has ended. So an answer counts only when the newest transaction
after it is the one before it. Nothing in the file is believed: pages, depth and sizes are bounded.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from annotator.core.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MAX_PAGES: Final = 1024
"""Pages read for one question."""

MAX_PAGE_BYTES: Final = 2**20
"""Bytes of one page with its overflow: a podman container's config takes about 15 kB."""

MAX_DEPTH: Final = 24
"""Branch pages above a leaf: three hold a million keys."""

MAX_BYTES: Final = 16 * 2**20
"""Bytes read for one question."""

_MAGIC: Final = 0xED0CDAED
_VERSION: Final = 2
_BRANCH, _LEAF = 0x01, 0x02
_BUCKET: Final = 0x01
_HEADER: Final = 16
_META_BYTES: Final = 64


class _Meta(NamedTuple):
    order: str
    page_size: int
    root: int
    high: int
    txid: int


class _Page(NamedTuple):
    flags: int
    keys: int
    data: bytes


class Bolt:
    """One transaction's view of the file behind `fd`. Raises FormatError where the file is not what it claims to be."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.meta = newest_meta(fd)
        self._pages_left = MAX_PAGES
        self._bytes_left = MAX_BYTES

    def get(self, buckets: tuple[bytes, ...], key: bytes) -> bytes | None:
        """The value under this key in the bucket at this path; None when there is none, or it is itself a bucket."""
        page = self._bucket(buckets)
        found = self._find(page, key) if page is not None else None
        return found[1] if found is not None and not found[0] & _BUCKET else None

    def items(self, buckets: tuple[bytes, ...], *, limit: int = 4096) -> Iterator[tuple[bytes, bytes | None]]:
        """The keys and values of a bucket in order, at most `limit`; None is the value of a key that is a bucket."""
        page = self._bucket(buckets)
        if page is None:
            return
        for at, (flags, key, value) in enumerate(self._walk(page, 0)):
            if at >= limit:
                return
            yield key, None if flags & _BUCKET else value

    def _bucket(self, buckets: tuple[bytes, ...]) -> _Page | None:
        """The root page of the bucket at this path."""
        page = self._page(self.meta.root)
        for name in buckets:
            found = self._find(page, name)
            if found is None or not found[0] & _BUCKET:
                return None
            value = found[1]
            if len(value) < _HEADER:
                raise FormatError("a bucket is cut short")
            root: int = struct.unpack_from(self.meta.order + "Q", value)[0]
            page = self._page(root) if root else self._inline(value[_HEADER:])
        return page

    def _find(self, page: _Page, key: bytes) -> tuple[int, bytes] | None:
        """The flags and value of a key in the tree under `page`."""
        for _ in range(MAX_DEPTH):
            at = self._position(page, key)
            if page.flags & _LEAF:
                if at < 0:
                    return None
                flags, name, value = self._leaf(page, at)
                return (flags, value) if name == key else None
            if not page.flags & _BRANCH or not page.keys:
                raise FormatError("neither a leaf nor a branch page")
            page = self._page(self._branch(page, max(at, 0))[1])
        raise FormatError("a tree deeper than any")

    def _position(self, page: _Page, key: bytes) -> int:
        """The last element whose key is not greater, or -1 (bisection: the keys of a page are in order)."""
        low, high = 0, page.keys
        while low < high:
            middle = (low + high) // 2
            name = self._leaf(page, middle)[1] if page.flags & _LEAF else self._branch(page, middle)[0]
            if name <= key:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _walk(self, page: _Page, depth: int) -> Iterator[tuple[int, bytes, bytes]]:
        if depth > MAX_DEPTH:
            raise FormatError("a tree deeper than any")
        for at in range(page.keys):
            if page.flags & _LEAF:
                yield self._leaf(page, at)
            else:
                yield from self._walk(self._page(self._branch(page, at)[1]), depth + 1)

    def _leaf(self, page: _Page, at: int) -> tuple[int, bytes, bytes]:
        start = _HEADER + at * 16
        flags, pos, ksize, vsize = struct.unpack_from(self.meta.order + "4I", page.data, start)
        middle = start + pos + ksize
        if pos < 16 or middle + vsize > len(page.data):
            raise FormatError("an element reaches beyond its page", offset=start)
        return flags, page.data[start + pos : middle], page.data[middle : middle + vsize]

    def _branch(self, page: _Page, at: int) -> tuple[bytes, int]:
        start = _HEADER + at * 16
        pos, ksize, child = struct.unpack_from(self.meta.order + "IIQ", page.data, start)
        if pos < 16 or start + pos + ksize > len(page.data):
            raise FormatError("an element reaches beyond its page", offset=start)
        return page.data[start + pos : start + pos + ksize], child

    def _page(self, number: int) -> _Page:
        """Read one page with its overflow; its header must name itself."""
        meta = self.meta
        if not 2 <= number < meta.high:
            raise FormatError(f"page {number} is none of this file's")
        head = self._read(number * meta.page_size, meta.page_size)
        own, flags, _, overflow = struct.unpack_from(meta.order + "QHHI", head)
        size = (overflow + 1) * meta.page_size
        if own != number or size > MAX_PAGE_BYTES:
            raise FormatError(f"page {number} is damaged or being written", offset=number * meta.page_size)
        if overflow:
            head += self._read((number + 1) * meta.page_size, size - meta.page_size)
        if not flags & (_BRANCH | _LEAF):
            raise FormatError(f"page {number} holds no keys")
        return self._inline(head)

    def _inline(self, data: bytes) -> _Page:
        """A page that lies in a value, or that has been read whole."""
        if len(data) < _HEADER:
            raise FormatError("a page is cut short")
        _, flags, count, _ = struct.unpack_from(self.meta.order + "QHHI", data)
        if _HEADER + count * 16 > len(data):
            raise FormatError("a page has more elements than room")
        return _Page(flags, count, data)

    def _read(self, offset: int, size: int) -> bytes:
        self._pages_left -= 1
        self._bytes_left -= size
        if self._pages_left < 0 or self._bytes_left < 0:
            raise FormatError("more pages than one question may take")
        data = os.pread(self._fd, size, offset)
        if len(data) != size:
            raise FormatError("a page is cut short", offset=offset)
        return data


def ask(fd: int, question: Callable[[Bolt], T]) -> T | None:
    """The answer, if the file stood still meanwhile (asked twice at most); None if it did not, or is no Bolt file."""
    for _ in range(2):
        try:
            view = Bolt(fd)
            answer = question(view)
            if newest_meta(fd).txid == view.meta.txid:
                return answer
        except (FormatError, OSError, OverflowError):
            continue
    return None


def version(fd: int) -> int | None:
    """The newest transaction, None when this is no Bolt file: it tells one content from the next."""
    try:
        return newest_meta(fd).txid
    except (FormatError, OSError):
        return None


def newest_meta(fd: int) -> _Meta:
    """The valid meta page with the highest transaction. Raises FormatError without one, OSError as pread does."""
    first = _meta(os.pread(fd, _HEADER + _META_BYTES, 0))
    metas = [first] if first else []
    # The second meta lies at the page size, which only a meta tells; with the first one torn, try what machines use.
    for size in (first.page_size,) if first else (4096, 16384, 65536):
        second = _meta(os.pread(fd, _HEADER + _META_BYTES, size))
        if second is not None and second.page_size == size:
            metas.append(second)
    if not metas:
        raise FormatError("no valid meta page: this is no BoltDB file", offset=0)
    return max(metas, key=lambda meta: meta.txid)


def _meta(data: bytes) -> _Meta | None:
    if len(data) < _HEADER + _META_BYTES:
        return None
    body = data[_HEADER:]
    order = "<" if struct.unpack_from("<I", body)[0] == _MAGIC else ">"
    magic, version, page_size, _, root, _, _, high, txid, checksum = struct.unpack(order + "4I6Q", body)
    if magic != _MAGIC or version != _VERSION or page_size & (page_size - 1) or not 512 <= page_size <= 65536:
        return None
    if checksum != _fnv1a(body[:56]):
        return None
    return _Meta(order, page_size, root, high, txid)


def _fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
