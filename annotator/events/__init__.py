"""Lines in, events out: see `grouper`; what it counts by is in `clock`, what it does not take apart in `stretch`."""

from annotator.events.assembler import HEAD, NO_KEY, REMEMBERED, STAMP, Grouper, Missing, Run
from annotator.events.clock import Serials, StreamClock
from annotator.events.stretch import Stretch

__all__ = ["HEAD", "NO_KEY", "REMEMBERED", "STAMP", "Grouper", "Missing", "Run", "Serials", "StreamClock", "Stretch"]
