"""What is kept on disk: the journal, the state file, and checkpoints, in one format.

A broken file is noticed and never believed.

    file   = magic, frame(header), frame(entry)*       frames are `codec`'s: length, CRC-32, msgpack
    header = {version, node, boot, offset_ns, ticks_per_second, namespaces}
    entry  = {realtime_ns, boottime_ns, kind, body}    a state file ends with an entry of kind `end`

The checksum finds damage, not malice: whoever can write the file can write facts, so a file of ours that others may
write is refused. A journal is only ever appended to; a process that was killed leaves at most one unfinished frame,
which is cut off. Nothing here decides whether an entry still holds: that is the registry's.

Checkpoints (`checkpoint_save`, `checkpoint_load`, `checkpoint_restore`) hold everything an answer can depend on:
lifetimes with their parents, residences, pending operations and last answers, fork hints, containers, open events
with their lines, closed ones whose lines wait behind them, the clock and the serials. A resumed run produces the bytes
of a run that never stopped. Not saved are the counts, which are those of one run, what the forms remember of what they
rendered, and observations: those come again from the host view or its journal.
The state of a replay says nothing of the machine that reads the log, so that the run goes on on any other. The state of
a stream is the same as bytes (`pack_state`, `unpack_state`).
"""
