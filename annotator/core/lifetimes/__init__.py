"""Process lifetimes, out of records that may be missing, late, or before their cause. DESIGN section 5, *A life*.

A pid is not a process: a `ProcessLifetime` is one process from birth to exit. Its records tell (pid, ppid, ses, auid).

| rule | module |
|---|---|
| whether a record is of the life that has its pid, or of another one under a re-used pid | `identity` |
| which fork record was a life's birth | `binding` |
| who adopts an orphan | `reparenting` |
| what is forgotten, and when | `eviction` |
| the table itself: records in, questions as of a stamp | `table` |
"""

from annotator.core.lifetimes.lifetime import DEPTH, KEPT_MS, ForkHint, Node, ProcessLifetime
from annotator.core.lifetimes.table import ProcessTable

__all__ = ["DEPTH", "KEPT_MS", "ForkHint", "Node", "ProcessLifetime", "ProcessTable"]
