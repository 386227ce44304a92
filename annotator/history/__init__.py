"""What was seen outside the log, and what it says of a time.

`observations` keeps it; the other modules are rules: `process_history` is one process as it was seen, `location` where
it was at a time, `identities` which container that is; `netns_timeline` is one network namespace, `addresses` whose an
address was, `netns` in which one a process was. Nothing here looks: the host view of a backend does.
"""

from annotator.history.observations import Observation, Observations

__all__ = ["Observation", "Observations"]
