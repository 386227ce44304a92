"""msgpack with limits: the only door to the msgpack library; and frames of it in files.

What is read here may come from anyone: a hook, a client of the socket, a file that was cut or overwritten. So every
length is bounded before memory is taken, extension types are refused (nothing of ours needs one), the keys of maps are
text or bytes only, and all that can go wrong is one `FormatError`. Integers reach from -2**63 to 2**64-1, which holds
a contid. Of a key that is given twice the last value counts.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgpack

from annotator.core.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 1 << 20
"""The longest single object, as bytes on the wire, unless the caller says otherwise."""


class Limits(NamedTuple):
    """The longest text and binary (bytes), array (items) and map (pairs) that is read.

    The library makes an array of the claimed length before it has seen one item, and does so at each level of nesting:
    arrays are kept short because a few kilobytes could claim hundreds of megabytes otherwise.
    """

    max_str_len: int = 1 << 18
    max_bin_len: int = 1 << 18
    max_array_len: int = 1 << 13
    max_map_len: int = 1 << 12

    def within(self, size: int) -> Limits:
        """These limits, none of them above `size` bytes: nothing can have more parts than its message has bytes."""
        return Limits(*(min(limit, size) for limit in self))


LIMITS = Limits()


def pack(obj: object, *, errors: str = "strict") -> bytes:
    """Write one object: None, bool, int, float, str, bytes, sequences (as arrays) and mappings (as maps).

    `errors` is what happens to text that is not UTF-8 (names Python has read from a disk can hold lone surrogates), as
    in `str.encode`: `surrogatepass` keeps it for `unpack(…, errors="surrogatepass")`, `backslashreplace` makes it
    readable for others. Raises FormatError for such text under `strict`, for integers beyond 64 bits, and for nesting
    that is too deep. A type that msgpack does not have is a mistake in the program, and a TypeError.
    """
    try:
        return bytes(msgpack.packb(obj, use_bin_type=True, unicode_errors=errors))
    except (ValueError, OverflowError, RecursionError) as err:  # ValueError includes text that cannot be encoded
        raise FormatError(f"cannot be written as msgpack: {err}") from err


def unpack(data: bytes, *, max_bytes: int = MAX_BYTES, limits: Limits = LIMITS, errors: str = "strict") -> Any:
    """Read exactly one object; arrays become lists. Raises FormatError for anything else, also for bytes after it."""
    if len(data) > max_bytes:
        raise FormatError(f"msgpack of {len(data)} bytes, and {max_bytes} are allowed", offset=max_bytes)
    bounds = limits.within(len(data))
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            unicode_errors=errors,
            strict_map_key=True,
            ext_hook=_refused,
            max_ext_len=0,
            **bounds._asdict(),
        )
    except (*_BAD, OverflowError) as err:
        raise FormatError(f"not msgpack within the limits: {_why(err)}") from err


class Stream:
    """Objects out of bytes that come in pieces: `feed` a piece, then iterate over what is complete.

    No object may be longer than `max_bytes`, and no piece either. After a FormatError nothing more can be read, as
    nobody knows where the next object begins: feeding and iterating raise it again.
    """

    __slots__ = ("_broken", "_end", "_fed", "_limit", "_reader")

    def __init__(self, *, max_bytes: int = MAX_BYTES, limits: Limits = LIMITS, errors: str = "strict") -> None:
        bounds = limits.within(max_bytes)
        self._limit = max_bytes
        self._fed = 0
        self._end = 0  # where the last complete object ended, counted from the first byte fed
        self._broken: FormatError | None = None
        self._reader = msgpack.Unpacker(
            raw=False,
            unicode_errors=errors,
            strict_map_key=True,
            ext_hook=_refused,
            max_ext_len=0,
            max_buffer_size=2 * max_bytes,
            **bounds._asdict(),
        )

    @property
    def pending(self) -> int:
        """Bytes fed that belong to no complete object yet (0: the stream may end here)."""
        return self._fed - self._end

    def feed(self, data: bytes) -> None:
        """Take the next piece. Iterate before feeding again: at most twice `max_bytes` are held."""
        if self._broken is not None:
            raise self._broken
        try:
            self._reader.feed(data)
        except (*_BAD, msgpack.BufferFull) as err:
            raise self._fail("more than is allowed was sent and not read") from err
        self._fed += len(data)

    def __iter__(self) -> Iterator[Any]:
        """The complete objects, in order. Raises FormatError with the offset where the bad object began."""
        while True:
            if self._broken is not None:
                raise self._broken
            try:
                found = self._reader.unpack()
            except msgpack.OutOfData:
                break
            except (*_BAD, OverflowError) as err:
                raise self._fail(f"not msgpack within the limits: {_why(err)}") from err
            begin, self._end = self._end, self._reader.tell()
            if self._end - begin > self._limit:
                self._end = begin
                raise self._fail(f"an object of more than {self._limit} bytes")
            yield found
        # The library eats the bytes of an unfinished object as they come, so its own buffer limit does not bound it.
        if self.pending > self._limit:
            raise self._fail(f"an object of more than {self._limit} bytes")

    def _fail(self, what: str) -> FormatError:
        self._broken = FormatError(what, offset=self._end)
        return self._broken


_BAD = (ValueError, msgpack.UnpackException)
"""What the library raises for bytes it does not like; text that is not UTF-8 is a ValueError too."""


def _refused(code: int, data: bytes) -> object:  # noqa: ARG001  (the library's signature)
    raise ValueError(f"extension type {code}")


def _why(err: BaseException) -> str:
    """The library's words; some of its errors have none."""
    return str(err) or type(err).__name__


# --- frames: msgpack in files -----------------------------------------------------------------------------------------

FRAME = struct.Struct("<II")
"""Length of the payload, and CRC-32 (as in zlib) over these four bytes and the payload: both u32, little-endian.

The length is in the sum so that a tail of zeros, which a crash of the machine can leave in a file, is no frame.
"""


class Torn(FormatError):
    """The file ends within a frame: the last write was not finished."""


def frame(content: Mapping[str, Any]) -> bytes:
    """One frame. Raises FormatError for what `unframe` and `unpack` would refuse."""
    payload = pack(content, errors="surrogatepass")
    if len(payload) > 4096:  # below that no part can be over a limit
        unpack(payload, errors="surrogatepass")
    length = len(payload).to_bytes(4, "little")
    return length + zlib.crc32(payload, zlib.crc32(length)).to_bytes(4, "little") + payload


def unframe(file: IO[bytes]) -> bytes | None:
    """The next payload, None at the end of the file. Raises Torn for an unfinished frame, FormatError for damage."""
    head = file.read(FRAME.size)
    if not head:
        return None
    if len(head) < FRAME.size:
        raise Torn("the file ends within a frame")
    length, checksum = FRAME.unpack(head)
    if length > MAX_BYTES:
        raise FormatError(f"a frame claims {length} bytes, and {MAX_BYTES} are allowed")
    payload = file.read(length)
    if len(payload) < length:
        raise Torn("the file ends within a frame")
    if zlib.crc32(payload, zlib.crc32(head[:4])) != checksum:
        raise FormatError("the checksum of a frame is wrong")
    return payload
