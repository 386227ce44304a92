"""Bytes out: standard output, a rotated file, a unix socket, a list.

A sink takes whole units: each `write` is one or more complete lines (or msgpack objects), so that whatever has to be
dropped is dropped whole. What it lost it counts.
"""

from __future__ import annotations

from annotator.io.sinks.listener import SocketSink
from annotator.io.sinks.plain import FdSink, Sink, SinkClosed
from annotator.io.sinks.rotated import DiskFull, FileSink

__all__ = ["DiskFull", "FdSink", "FileSink", "Sink", "SinkClosed", "SocketSink"]
