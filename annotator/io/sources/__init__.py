"""Bytes in: standard input, sockets, files (plain, gz, xz, zst), rotated sets, a file that is being written.

Everything arrives as `Block`s: lists of lines without their newline, cut from big reads. What is inside a line is not
known here, but for `recognise`, which tells an audit log from the forms that have lost what is needed.
"""

from __future__ import annotations

from annotator.io.sources.detection import (
    Form,
    has_record,
    is_settled,
    looks_aix,
    looks_binary,
    recognise,
    refuse,
    refuse_unknown,
)
from annotator.io.sources.files import order, read_file, rotation_set
from annotator.io.sources.follow import Follower, follow
from annotator.io.sources.lines import LONGEST, READ, Block, Cutter, Position
from annotator.io.sources.streams import connect, read_stream

__all__ = [
    "LONGEST",
    "READ",
    "Block",
    "Cutter",
    "Follower",
    "Form",
    "Position",
    "connect",
    "follow",
    "has_record",
    "is_settled",
    "looks_aix",
    "looks_binary",
    "order",
    "read_file",
    "read_stream",
    "recognise",
    "refuse",
    "refuse_unknown",
    "rotation_set",
]
