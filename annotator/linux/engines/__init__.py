"""Engine state files to names. `Engines` answers; one module per family of engines reads."""

from __future__ import annotations

from annotator.linux.engines.lookup import Engines
from annotator.linux.engines.state import EngineState

__all__ = ["EngineState", "Engines"]
