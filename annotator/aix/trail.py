"""The binary trail: bins as `/audit/trail` holds them, and the bare records of `/dev/audit`.

The layout of AIX 5.3 is public and read exactly. Of AIX 6.1 to 7.3 only the size rule is known: the high byte of a
record's magic is the length of an extension. So any extension is stepped over; its first 16 bytes are taken as CPU ID
and time only if that time agrees with the record's own; and a WPAR name is taken from the rest only if exactly one
known name stands there, as Evidence.INFERRED. What does not look like a record is refused with its offset, never
guessed at. Everything read from an unknown extension is unverified until a real trail of that release has been seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from annotator.aix import layouts
from annotator.aix.record import GLOBAL, Form, Passed, Piece, Record
from annotator.core.errors import FormatError, FormError
from annotator.core.model import Evidence

BIN_MAGIC = b"\xf0\xf0"
"""The same in both byte orders."""

HEAD_KIND, BIN_END, TRAIL_END = 0, 1, 2

STATUS = {
    0: b"OK",
    0x01: b"FAIL",
    0x03: b"FAIL_AUTH",
    0x05: b"FAIL_PRIV",
    0x09: b"FAIL_ACCESS",
    0x19: b"FAIL_DAC",
    0x99: b"TCB_MOD",
}
"""AIX 5.3 <sys/audit.h>, SCCS 1.18.5.4; the words as `auditpr` prints them."""

KERNEL64 = 0x80
"""Bit of a record's version: the tail was made by a 64-bit kernel."""

MAX_VERSION = 15
"""Versions 0 to 3 are public; higher ones up to here are taken for later releases (inferred)."""

_BASE = layouts.AUDIT_RECORD.size
_EXT = layouts.AUDIT_EXTENSION.size
_LOOKAHEAD = layouts.BIN_64.size + _BASE
_EVENT = re.compile(rb"[\x21-\x7e]{1,15}\0+")
_ORDERS = (">", "<")
_PUBLIC = ((0, 0), (1, 0), (2, 8), (3, 16))
"""Versions with the length of their extension, of AIX 5.3 and before; that version 2 has 8 bytes is inferred."""

Names = Callable[[], Collection[bytes]]
"""The WPAR names that are known now."""


class _Step(NamedTuple):
    """What lies at the start of the buffer: a piece, its length; None for the piece of what is skipped silently."""

    piece: Piece
    length: int


class TrailParser:
    """Bytes in, records and passed bytes (bin headers) out; each byte comes out exactly once, in order.

    Feeding the same bytes in other portions gives the same pieces. FormError for a compressed bin, FormatError (with
    the offset from the start of the trail) for bytes that are no record; what came before is given out first, so the
    error comes with the next call. `names` are the known WPAR names, asked for only when an extension is not known.
    """

    def __init__(self, names: Names = tuple, order: str | None = None) -> None:
        self.names = names
        self.order = order
        self.count = 0
        self.offset = 0
        self._header64: layouts.Layout | None = None
        self._buffer = b""
        self._error: FormError | FormatError | None = None

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that these bytes complete."""
        self._buffer += data
        return self._parse(at_end=False)

    def flush(self) -> list[Piece]:
        """The end of the trail: a record that is cut off there is passed through."""
        out = self._parse(at_end=True)
        if self._buffer and self._error is None:
            out.append(Passed((self._buffer,), "torn"))
            self.offset += len(self._buffer)
            self._buffer = b""
        return out

    def _parse(self, *, at_end: bool) -> list[Piece]:
        out: list[Piece] = []
        at = 0
        while self._error is None:
            try:
                step = self._step(at, at_end)
            except (FormError, FormatError) as error:
                self._error = error
                break
            if step is None:
                break
            out.append(step.piece)
            at += step.length
            self.offset += step.length
        self._buffer = self._buffer[at:]
        if self._error is not None and not out:
            raise self._error
        return out

    def _step(self, at: int, at_end: bool) -> _Step | None:
        """The piece at `at`; None when its end has not come yet."""
        left = len(self._buffer) - at
        if self._buffer.startswith(BIN_MAGIC, at):
            return self._bin(at, at_end) if at_end or left >= _LOOKAHEAD else None
        if left < _BASE:
            return None
        order = self.order or _order(self._buffer, at)
        if order is None or not _plausible(self._buffer, at, order):
            raise FormatError(
                f"no audit record at byte {self.offset} of the trail",
                "Is this the output of auditpr (text), or a trail cut in the middle of a record?",
                self.offset,
            )
        self.order = order
        return self._record(at, order)

    # --- bins -------------------------------------------------------------------------------------------------------

    def _bin(self, at: int, at_end: bool) -> _Step | None:
        """A bin's head or end. The byte order shows in the records that follow, or in lengths that agree."""
        if len(self._buffer) - at < layouts.BIN_32.size:
            return None
        layout = self._bin_layout(at, at_end)
        if layout is None or len(self._buffer) - at < layout.size:
            return None
        order = self.order or _order(self._buffer, at + layout.size) or ">"
        values = layouts.unpack(layout, self._buffer, at, order)
        if values["kind"] > TRAIL_END:
            raise FormatError(
                f"bin header of unknown kind {values['kind']} at byte {self.offset} of the trail",
                "Please report it with the output of oslevel -s.",
                self.offset,
            )
        if values["packed"] and values["packed"] != values["unpacked"]:
            raise FormError(
                f"the bin at byte {self.offset} is compressed ({values['packed']} of {values['unpacked']} bytes)",
                "Unpack it first (auditcat -u), or give the text: auditpr -t1 -v -h e,l,r,R,t,p,P,T,c,W",
            )
        return _Step(Passed((self._buffer[at : at + layout.size],), "bin"), layout.size)

    def _bin_layout(self, at: int, at_end: bool) -> layouts.Layout | None:
        """Which header this is. The size of the 64-bit one is not public for certain, so it is probed once."""
        if not self._buffer[at + 2] & KERNEL64:
            return layouts.BIN_32
        if self._header64 is None:
            for layout in (layouts.BIN_64, layouts.BIN_64_PACKED):
                if self._follows(at + layout.size, at_end):
                    self._header64 = layout
                    break
            else:
                if not at_end:
                    raise FormatError(
                        f"neither reading of the bin header at byte {self.offset} is followed by a record",
                        "Please report it with the output of oslevel -s; the text of auditpr can be read meanwhile.",
                        self.offset,
                    )
        return self._header64

    def _follows(self, at: int, at_end: bool) -> bool:
        left = len(self._buffer) - at
        if left <= 0:
            return at_end and left == 0
        orders = (self.order,) if self.order else _ORDERS
        return self._buffer.startswith(BIN_MAGIC, at) or any(_plausible(self._buffer, at, order) for order in orders)

    # --- records ----------------------------------------------------------------------------------------------------

    def _record(self, at: int, order: str) -> _Step | None:
        values = layouts.unpack(layouts.AUDIT_RECORD, self._buffer, at, order)
        extension_length = values["ah_magic"] >> 8
        length = _BASE + extension_length + values["ah_length"]
        if len(self._buffer) - at < length:
            return None
        extension = self._buffer[at + _BASE : at + _BASE + extension_length]
        tail = self._buffer[at + _BASE + extension_length : at + length]
        version = values["ah_magic"] & ~KERNEL64 & 0xFF
        kernel64 = bool(values["ah_magic"] & KERNEL64)
        seconds, cpu_id = _extension(extension, version, kernel64, values["ah_time"], order)
        wpar = self._wpar(extension, version)
        self.count += 1
        record = Record(
            event=layouts.text(values["ah_event"]),
            ordinal=self.count,
            time_ms=seconds * 1000 + min(max(values["ah_ntime"], 0), 999_999_999) // 1_000_000,
            lines=(self._buffer[at : at + length],),
            form=Form.BINARY,
            status=STATUS.get(values["ah_result"], b"FAIL"),
            login=b"%d" % values["ah_luid"],
            ruser=b"%d" % values["ah_ruid"],
            command=layouts.text(values["ah_name"]),
            pid=values["ah_pid"],
            ppid=values["ah_ppid"],
            tid=values["ah_tid"],
            wpar=wpar,
            wpar_evidence=None if wpar is None else Evidence.INFERRED,
            cpu_id=cpu_id,
            tail=tail,
            kernel64=kernel64,
            order=order,
        )
        return _Step(record, length)

    def _wpar(self, extension: bytes, version: int) -> bytes | None:
        """The one known WPAR name that stands in an extension whose layout is not known; None for none or several."""
        if version <= 3 and len(extension) <= _EXT:
            return None
        words = {match[0] for match in re.finditer(rb"[\x21-\x7e]{1,64}(?=\0)", extension)}
        found = words & ({*self.names(), GLOBAL} - {b""})
        return found.pop() if len(found) == 1 else None


def _order(buffer: bytes, at: int) -> str | None:
    """The byte order in which a record can start here; if in both, that in which its version is a public one."""
    orders = [order for order in _ORDERS if _plausible(buffer, at, order)]
    public = [order for order in orders if _magic(buffer, at, order) in _PUBLIC]
    return next(iter(public or orders), None)


def _magic(buffer: bytes, at: int, order: str) -> tuple[int, int]:
    """Version and length of the extension."""
    low, high = (buffer[at + 1], buffer[at]) if order == ">" else (buffer[at], buffer[at + 1])
    return low & ~KERNEL64, high


def _plausible(buffer: bytes, at: int, order: str) -> bool:
    """Whether a record can start here: a version that may exist, an event name, NUL-padded program name."""
    if len(buffer) - at < _BASE:
        return False
    version, extension = _magic(buffer, at, order)
    if version > MAX_VERSION or (version < 2 and extension):
        return False
    return bool(_EVENT.fullmatch(buffer, at + 4, at + 20))


def _extension(extension: bytes, version: int, kernel64: bool, seconds: int, order: str) -> tuple[int, bytes | None]:
    """Seconds of the epoch, and the CPU ID, where the extension has what 5.3 has: else the record's own 32 bits."""
    if len(extension) < _EXT:
        return seconds, extension[:8] if version == 2 and len(extension) == 8 else None
    values = layouts.unpack(layouts.AUDIT_EXTENSION, extension, 0, order)
    long = values["time_high"] << 32 | values["time_low"]
    agrees = long & 0xFFFFFFFF == seconds & 0xFFFFFFFF and long < 2**36
    if version == 3:
        return (long if kernel64 and agrees else seconds), values["cpu_id"]
    if not agrees:
        return seconds, values["cpu_id"] if version == 2 else None
    return (long if version >= 3 and kernel64 else seconds), values["cpu_id"]
