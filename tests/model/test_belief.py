"""What the program says of histories of the model: no container is named that was not, and none is called host.

Which histories, and what happens to their logs, is in the seeds; `python -m tests.model` runs more of them, and shows
what led to a wrong answer (README.md).
"""

from __future__ import annotations

import pytest

from tests.model.context import context
from tests.model.history import Plan
from tests.model.judge import Verdicts
from tests.model.perturb import PERTURBATIONS
from tests.model.rules import LEVELS
from tests.model.runs import Request, judged

SHARE = {"all": 110, "namespaces": 80, "lineage": 60, "live": 60, "minimal": 50}
"""Histories a level: 360 of them."""


@pytest.mark.parametrize("level", LEVELS)
def test_no_answer_is_wrong(level: str) -> None:
    """Small machines whose numbers come round, perturbed in all ways; every answer is right, or is none."""
    plan = Plan(0, events=500, pid_max=420, rules=level)
    total = Verdicts()
    told: list[str] = []
    for seed, log, verdicts in judged(
        Request(plan, (*PERTURBATIONS, "mixed"), varied=True), range(1, SHARE[level] + 1)
    ):
        total.add(verdicts)
        told += [f"seed {seed}: {context(log, fault)}" for fault in verdicts.faults[:1]]
    assert not total.faults, f"{dict(total.counts)}\n" + "\n\n".join(told[:3])
