"""A run at one moment, and back: who goes on from it gives the bytes of a run that never stopped.

Everything is saved that an answer can depend on: lives with their parents, stays, intents and last answers (an answer
holds until its life changes, so it is more than a cache), hints, containers, open events with their lines, closed ones
whose lines wait behind them, the clock and the serials. Not saved are the counts, which are those of one run, what the
forms remember of what they rendered, and sightings: those come again from the host view or its journal. The file is
`store`'s.
"""

from annotator.storage.checkpoint_restore import restore
from annotator.storage.checkpoint_save import held_lines, save

__all__ = ["held_lines", "restore", "save"]
