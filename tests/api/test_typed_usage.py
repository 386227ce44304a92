"""What `typed_usage` shows to the type checker works too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api import typed_usage
from tests.scoring import SAMPLES, text_of

if TYPE_CHECKING:
    from pathlib import Path


def test_it_runs(tmp_path: Path) -> None:
    """With a log, and without one."""
    path = tmp_path / "audit.log"
    path.write_bytes(text_of(SAMPLES / "stock-s02", "input.log"))
    assert typed_usage.count_by_container(path)["runc-a-ENRICHED"] > 100
    assert ("runc-a-ENRICHED", 1000) in list(typed_usage.entered(path))
    assert len(typed_usage.ship(path.read_bytes())) > 100_000
    assert "not-seen" in typed_usage.unknown(path)
    assert typed_usage.unknown(tmp_path / "nowhere") == []
