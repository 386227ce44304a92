"""What was seen from outside the log, and what it answers: `table` keeps it, the other modules have the rules.

`looks` is one process as it was seen, `whereabouts` where it was at a time, `identities` which container that is;
`spaces` is one network namespace, `addresses` whose an address was, `netns` in which one a process was. Nobody here
looks: that is done by the host view of a backend, and by `annotator.live`.
"""

from annotator.history.observations import Finding, Sightings

__all__ = ["Finding", "Sightings"]
