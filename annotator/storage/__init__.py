"""The journal and the state file: one format, in which a broken file is noticed and never believed.

    file   = magic, frame(header), frame(entry)*       frames are `codec`'s: length, CRC-32, msgpack
    header = {version, node, boot, offset_ns, ticks_per_second, namespaces}
    entry  = {realtime_ns, boottime_ns, kind, body}    a state file ends with an entry of kind `end`

The checksum finds damage, not malice: who may write the file may write facts, so a file of ours that others may write
is refused. A journal is only ever appended to; a process that was killed leaves at most one unfinished frame, and that
is cut. Nothing here decides whether an entry still holds: that is the registry's.
"""

from annotator.storage.facts import decode_fact, encode_fact
from annotator.storage.format import Entries, Entry, Header, read_journal
from annotator.storage.journal import Journal, journal_files
from annotator.storage.state import load_state, save_state

__all__ = [
    "Entries",
    "Entry",
    "Header",
    "Journal",
    "decode_fact",
    "encode_fact",
    "journal_files",
    "load_state",
    "read_journal",
    "save_state",
]
