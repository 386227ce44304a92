"""Text in, events out: `assembler` groups records by node and stamp, `clock` keeps the stream's time and serials."""

from annotator.events.assembler import HEAD, REMEMBERED, RUN, STAMP, Closed, Departure, EventAssembler, Missing, Run
from annotator.events.clock import Serials, StreamClock

__all__ = [
    "HEAD",
    "REMEMBERED",
    "RUN",
    "STAMP",
    "Closed",
    "Departure",
    "EventAssembler",
    "Missing",
    "Run",
    "Serials",
    "StreamClock",
]
