"""Byte layouts of AIX, declared once as tables: offset, code, name; and where each was read.

Codes are those of `struct`; every gap between two fields is padding. AIX is big-endian, so that is the default order;
a trail of another order can be asked for. `size` is the documented total, and `packer` refuses a table that does not
reach it exactly, so a wrong line here fails at import of its user and not in somebody's log.

`verified` is false where an offset was computed from a field list, or where the structure of later releases is not
public: such a layout must be checked against the machine at run time before it is believed.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NamedTuple

from annotator.core.errors import FormatError


class Field(NamedTuple):
    """One member: where it starts (bytes), its `struct` code, its name in the header."""

    offset: int
    code: str
    name: str


class Layout(NamedTuple):
    """One structure. `size` is its documented length in bytes."""

    name: str
    source: str
    size: int
    verified: bool
    fields: tuple[Field, ...]


def _run(offset: int, code: str, *names: str) -> tuple[Field, ...]:
    """Members of one type that follow each other without gaps."""
    step = struct.calcsize(">" + code)
    return tuple(Field(offset + step * index, code, name) for index, name in enumerate(names))


PSINFO = Layout(
    "psinfo_t",
    "/proc/PID/psinfo: field list of oshi AixLibc.java (commit 06ee3f65); offsets computed from the fixed widths",
    328,
    False,
    (
        *_run(0, "I", "pr_flag", "pr_flag2", "pr_nlwp"),
        *_run(16, "Q", "pr_uid", "pr_euid", "pr_gid", "pr_egid", "pr_pid", "pr_ppid", "pr_pgid", "pr_sid"),
        *_run(80, "Q", "pr_ttydev", "pr_addr", "pr_size", "pr_rssize"),
        Field(112, "q", "pr_start"),
        Field(120, "i", "pr_start_ns"),
        Field(128, "q", "pr_time"),
        Field(136, "i", "pr_time_ns"),
        Field(144, "H", "pr_cid"),
        Field(148, "I", "pr_argc"),
        *_run(152, "Q", "pr_argv", "pr_envp"),
        Field(168, "16s", "pr_fname"),
        Field(184, "80s", "pr_psargs"),
    ),
)
"""What lies before `pr_lwp`, which starts at 328. Before AIX 6.1 the two bytes at 144 were padding (inferred)."""

LWPSINFO = Layout(
    "lwpsinfo_t",
    "start of pr_lwp: field list of oshi AixLibc.java; the total length is not confirmed and never relied on",
    36,
    False,
    (
        *_run(0, "Q", "pr_lwpid", "pr_addr", "pr_wchan"),
        Field(24, "I", "pr_flag"),
        *_run(28, "B", "pr_wtype", "pr_state", "pr_sname", "pr_nice"),
        Field(32, "i", "pr_pri"),
    ),
)

PROCENTRY64 = Layout(
    "struct procentry64 (AIX 5.3)",
    "AIX 5.3 <procinfo.h>, SCCS 1.58.1.2; offsets computed; pi_cid of 6.1 and later is NOT here: calibrate it",
    4944,
    False,
    (
        *_run(0, "i", "pi_pid", "pi_ppid", "pi_sid", "pi_pgrp"),
        *_run(16, "I", "pi_uid", "pi_suid"),
        Field(24, "i", "pi_ttyp"),
        Field(32, "Q", "pi_ttyd"),
        Field(40, "q", "pi_ttympx"),
        *_run(48, "I", "pi_nice", "pi_state", "pi_flags", "pi_flags2", "pi_thcount", "pi_cpu", "pi_pri"),
        Field(76, "I", "pi_maxofile"),
        *_run(80, "Q", "pi_cdir", "pi_rdir"),
        Field(96, "h", "pi_cmask"),
        Field(100, "33s", "pi_comm"),
        Field(136, "Q", "pi_adspace"),
        *_run(144, "q", "pi_majflt", "pi_minflt", "pi_repage", "pi_size", "pi_utime", "pi_stime"),
        Field(192, "1024s", "pi_cred"),
        *_run(1216, "144s", "pi_ru", "pi_cru"),
        *_run(1504, "q", "pi_ioch", "pi_irss", "pi_start"),
        Field(1528, "160s", "pi_rlimit"),
        *_run(1688, "Q", "pi_drss", "pi_trss", "pi_dvm", "pi_prm", "pi_tsize", "pi_dsize", "pi_sdsize"),
        Field(1744, "2048s", "pi_signal"),
        Field(3792, "1024s", "pi_sigflags"),
        Field(4816, "32s", "pi_sig"),
        Field(4848, "34s", "pi_classname"),
        Field(4882, "31s", "pi_tag"),
        *_run(4913, "B", "pi_data_l2psize", "pi_text_l2psize", "pi_stack_l2psize"),
        Field(4916, "4s", "pi_pad4"),
        *_run(4920, "i", "pi_chk_utime", "pi_chk_ctime"),
        *_run(4928, "I", "pi_policy", "pi_ppri"),
        Field(4936, "Q", "pi_adspace_ldr"),
    ),
)

_WPAR_61 = (
    Field(0, "26s", "name"),
    Field(28, "I", "type"),
    Field(32, "H", "wpar_id"),
    Field(36, "I", "online_cpus"),
    *_run(40, "i", "cpu_limit", "mem_limit"),
    Field(48, "Q", "online_memory"),
    Field(56, "i", "entitled_proc_capacity"),
)

WPAR_TOTAL_71 = Layout(
    "perfstat_wpar_total_t (AIX 7.1)",
    "AIX 7.1 <libperfstat.h> as excerpted in OpenJDK libperfstat_aix.hpp; offsets computed",
    72,
    False,
    (*_WPAR_61, Field(64, "Q", "version")),
)

WPAR_TOTAL_61 = Layout(
    "perfstat_wpar_total_t (AIX 6.1)", "AIX 6.1 <libperfstat.h>, bos61J; offsets computed", 64, False, _WPAR_61
)

APP_WPAR_BIT = 0x80000000
"""`type.app_wpar`: bit fields start at the most significant bit on AIX."""

WPAR_ID_64 = Layout(
    "perfstat_id_wpar_t (64-bit)",
    "AIX 7.1 <libperfstat.h> as excerpted in OpenJDK; offsets computed",
    104,
    False,
    (Field(0, "I", "spec"), Field(8, "26s", "wparname"), Field(40, "64s", "name")),
)

WPAR_ID_32 = Layout(
    "perfstat_id_wpar_t (32-bit)",
    "AIX 7.1 <libperfstat.h> as excerpted in OpenJDK; offsets computed",
    96,
    False,
    (Field(0, "I", "spec"), Field(4, "26s", "wparname"), Field(32, "64s", "name")),
)

AUDIT_RECORD = Layout(
    "struct aud_rec",
    "AIX 5.3 <sys/audit.h>, SCCS 1.18.5.4 bos53X",
    84,
    True,
    (
        *_run(0, "H", "ah_magic", "ah_length"),
        Field(4, "16s", "ah_event"),
        *_run(20, "I", "ah_result", "ah_ruid", "ah_luid"),
        Field(32, "32s", "ah_name"),
        *_run(64, "i", "ah_pid", "ah_ppid", "ah_tid", "ah_time", "ah_ntime"),
    ),
)

AUDIT_EXTENSION = Layout(
    "extension of struct aud_rec (versions 2 and 3)",
    "AIX 5.3 <sys/audit.h>, SCCS 1.18.5.4 bos53X: CPU ID, then the time as two words, high first",
    16,
    True,
    (Field(0, "8s", "cpu_id"), *_run(8, "I", "time_high", "time_low")),
)

_BIN_START = (Field(0, "H", "magic"), *_run(2, "B", "version", "kind"), *_run(4, "I", "unpacked", "packed"))

BIN_32 = Layout(
    "struct aud_bin (32-bit time)",
    "AIX 5.3 <sys/audit.h>, SCCS 1.18.5.4 bos53X",
    24,
    True,
    (*_BIN_START, Field(12, "i", "time"), Field(16, "8s", "cpu_id")),
)

BIN_64 = Layout(
    "struct aud_bin (64-bit time, aligned)",
    "AIX 5.3 <sys/audit.h>; that the time is aligned to 8 bytes is inferred, so the size is probed in each trail",
    32,
    False,
    (*_BIN_START, Field(16, "q", "time"), Field(24, "8s", "cpu_id")),
)

BIN_64_PACKED = Layout(
    "struct aud_bin (64-bit time, not aligned)",
    "AIX 5.3 <sys/audit.h>; the other reading of the same header",
    28,
    False,
    (*_BIN_START, Field(12, "q", "time"), Field(20, "8s", "cpu_id")),
)

ALL = (
    PSINFO, LWPSINFO, PROCENTRY64, WPAR_TOTAL_71, WPAR_TOTAL_61, WPAR_ID_64, WPAR_ID_32,
    AUDIT_RECORD, AUDIT_EXTENSION, BIN_32, BIN_64, BIN_64_PACKED,
)  # fmt: skip


@cache
def packer(layout: Layout, order: str = ">") -> struct.Struct:
    """The `struct` of a layout, gaps filled with padding; refused unless it comes to the documented size."""
    codes = [order]
    at = 0
    for field in layout.fields:
        if field.offset < at:
            raise FormatError(f"{layout.name}: {field.name} overlaps the field before it", offset=field.offset)
        codes.append(f"{field.offset - at}x{field.code}" if field.offset > at else field.code)
        at = field.offset + struct.calcsize(order + field.code)
    if at > layout.size:
        raise FormatError(f"{layout.name}: the fields take {at} bytes, {layout.size} are documented", offset=at)
    codes.append(f"{layout.size - at}x")
    return struct.Struct("".join(codes))


@cache
def _names(layout: Layout) -> tuple[str, ...]:
    return tuple(field.name for field in layout.fields)


def unpack(layout: Layout, data: bytes, offset: int = 0, order: str = ">") -> dict[str, Any]:
    """The members by name; FormatError when fewer bytes are left than the layout has."""
    try:
        values = packer(layout, order).unpack_from(data, offset)
    except struct.error:
        raise FormatError(
            f"{layout.name}: {len(data) - offset} bytes, {layout.size} are needed", offset=offset
        ) from None
    return dict(zip(_names(layout), values, strict=True))


def text(value: bytes) -> bytes:
    """A fixed-width text member: what lies before its first NUL."""
    return value.split(b"\0", 1)[0]
