"""Lines in, events out: `assembler` groups records by node and stamp, `clock` keeps the stream's time and serials."""

from annotator.events.assembler import HEAD, NO_KEY, REMEMBERED, STAMP, EventAssembler, Missing, Run
from annotator.events.clock import Serials, StreamClock
from annotator.events.stretch import Stretch

__all__ = [
    "HEAD",
    "NO_KEY",
    "REMEMBERED",
    "STAMP",
    "EventAssembler",
    "Missing",
    "Run",
    "Serials",
    "StreamClock",
    "Stretch",
]
