"""Who is in which container, as intervals: the rules of belief, one module a family. DESIGN section 5.

Each life has `Residence`s with the stamp from which they hold; host is an answer that needs proof, as a container does.
The rules are functions over one `State`; `Membership` hands them the facts.

| rules of DESIGN section 5 | module |
|---|---|
| Only deeper; late facts count: how a place is asked for | `where` |
| Inheritance; Host: what a process has from its birth | `inheritance` |
| Claims: what an engine's command line announces, and what ends that | `claims` |
| Claims with the kernel's word; Set-up helpers: a change of namespaces or of the root | `moving` |
| Claims, Entering: exec, attach, nsenter, and the sessions they begin | `entering` |
| User-space records, registrations: of the kernel, of trusted senders | `registration` |
| Statements of a patched kernel, and of records that name their WPAR | `stated` |
| Programs begin, processes end | `programs` |
| Life and death of containers: who is inside, when a number names another one | `containers` |
| Absence proves nothing; loss, boots, changes nobody announced, contradicting marks | `doubt` |
| the tables over which all of them stand | `state` |
"""

from annotator.core.membership.state import Occupants
from annotator.core.membership.table import Membership

__all__ = ["Membership", "Occupants"]
