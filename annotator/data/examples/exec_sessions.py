"""List who entered which container, and what they ran there: `python exec_sessions.py audit.log`.

Cells of a notebook, separated by `# %%`.
"""

# %% Read the log once, as a whole.
from __future__ import annotations

import sys
from datetime import UTC, datetime

import annotator

log = annotator.open(sys.argv[1])
print(f"{log.counts['events']} events, {len(log.containers())} containers")

# %% A session is a process that came from outside: docker exec, kubectl exec, nsenter. Its children belong to it.
for entered in log.sessions():
    when = datetime.fromtimestamp(entered.first_ms / 1000, UTC)
    who = "nobody's login" if entered.session.auid is None else f"login {entered.session.auid}"
    print(f"{when:%Y-%m-%d %H:%M:%S} {who} entered {entered.name or entered.container} by {entered.session.how}")
    for command_line in entered.ran:
        print(f"    {command_line}")

# %% Where an entering process came from, up to init as far as the log goes.
for entered in log.sessions():
    if entered.session.pid is not None:
        ancestors = log.process(entered.session.pid, at=entered.first_ms, node=entered.node)
        print(" <- ".join(f"{process.exe}({process.pid})" for process in ancestors))
