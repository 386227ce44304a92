"""The auditd plugin: a reader that drains standard input first, and a worker that does everything else.

    auditd ──stdin──> reader ──socketpair──> worker ──queues──> one thread for each output
                        │                      │
                   queue (a file)           pipeline, state, metrics

Two processes, since a thread of the same interpreter can be starved by the worker: measured, a reading thread held up
476 of 80,000 writes by more than 1 ms at Python's own switch interval, a reading process none. The reader imports
little and forks the worker before that imports anything: the first byte is read some tens of milliseconds after start.
The reader is the process that auditd knows; it starts the worker again when that dies, since auditd restarts a plugin
at most `max_restarts` times and then never more.

The contracts of auditd (2.8 audispd, 3.x, 4.x) are in `reader.reader`, the policies of a full queue in `reader.queue`.
"""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> int:
    """Run as auditd's plugin: `audisp-contid [--check-config] [CONFIG]`. Returns the exit code.

    Heavy modules are imported by the worker: keep this one and `reader` light.
    """
    from annotator.plugin.reader.reader import start

    return start(arguments)
