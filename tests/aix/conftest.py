"""What the AIX tests share: the samples, and the simulated machine of scripts/aix_sim.py."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a simulated day changes its files a thousand times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The recorded and constructed AIX inputs."""
    return ROOT / "samples" / "aix"


@pytest.fixture(scope="session")
def sim() -> Any:
    """The simulator, loaded from its script; it imports nothing of the annotator."""
    spec = importlib.util.spec_from_file_location("aix_sim", ROOT / "scripts" / "aix_sim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["aix_sim"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
