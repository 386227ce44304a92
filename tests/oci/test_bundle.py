"""The hook in a bundle: added once, last, and nothing else changed."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import FormatError
from annotator.oci.bundle import MAX_CONFIG, inject, with_hook
from annotator.oci.runtime import bundle
from tests.oci.test_runtime import Machine

if TYPE_CHECKING:
    from pathlib import Path

HOOK = "/usr/bin/annotator-oci-hook"
ENTRY = {"path": HOOK, "args": ["annotator-oci-hook", "--required"], "timeout": 10}
OTHER = {"path": "/usr/bin/other"}


@pytest.mark.parametrize(
    ("hooks", "want"),
    [
        (None, {"createRuntime": [ENTRY]}),
        ({"poststop": [OTHER]}, {"poststop": [OTHER], "createRuntime": [ENTRY]}),
        ({"createRuntime": [OTHER]}, {"createRuntime": [OTHER, ENTRY]}),
        ({"createRuntime": None}, {"createRuntime": [ENTRY]}),
    ],
)
def test_it_is_the_last_of_its_stage(hooks: Any, want: Any) -> None:
    """What others put there stays, and stands before it; a second time nothing is added."""
    config = {"ociVersion": "1.0.2", "process": {"args": ["ä\udcff"]}, "hooks": hooks}
    out = with_hook(json.dumps(config).encode(), HOOK, ("--required",))
    assert out is not None
    assert json.loads(out.decode("utf-8", "surrogatepass")) == {**config, "hooks": want}
    assert with_hook(out, HOOK) is None


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"[" * 99999, b'{"ociVersion": "1", "hooks": 7}',
     b'{"ociVersion": "1", "hooks": {"createRuntime": 7}}']
)  # fmt: skip
def test_what_is_no_configuration_is_left_alone(tmp_path: Path, data: bytes) -> None:
    """It is an error, and the file is as it was."""
    (tmp_path / "config.json").write_bytes(data)
    with pytest.raises(FormatError):
        inject(str(tmp_path), HOOK)
    assert (tmp_path / "config.json").read_bytes() == data
    assert len(list(tmp_path.iterdir())) == 1


def test_a_configuration_without_end_is_not_read(tmp_path: Path) -> None:
    """Nor is one that is not there."""
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(MAX_CONFIG + 1)
    with pytest.raises(FormatError):
        inject(str(tmp_path), HOOK)
    with pytest.raises(OSError, match="No such file"):
        inject(str(tmp_path / "none"), HOOK)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_configuration_or_an_error(data: bytes) -> None:
    """No other error comes out."""
    try:
        with_hook(data, HOOK)
    except FormatError:
        return


def test_the_runtime_finds_the_bundle_and_puts_it_in(tmp_path: Path) -> None:
    """On a stock kernel, when asked to; the file keeps its mode. Without a bundle the container starts all the same."""
    machine = Machine(tmp_path, patched=False)
    path = tmp_path / "b/config.json"
    path.parent.mkdir()
    path.write_text('{"ociVersion": "1.0.2"}', "ascii")
    path.chmod(0o640)
    hook = f"--annotator-hook={HOOK}"
    assert machine.run(hook, "--annotator-required", "create", "--bundle", str(path.parent), "web").returncode == 4
    assert json.loads(path.read_bytes())["hooks"] == {"createRuntime": [ENTRY]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = path.read_bytes()
    assert machine.run(hook, "create", f"--bundle={path.parent}", "web").returncode == 4
    assert machine.run(hook, "start", "web").returncode == 4
    assert path.read_bytes() == before
    assert machine.said() == ""
    assert machine.run(hook, "create", "--bundle", "/nowhere", "web").returncode == 4
    assert "no hook in the bundle" in machine.said()
    assert machine.run(hook, "--annotator-required", "create", "--bundle", "/nowhere", "web").returncode == 1


def test_on_a_patched_kernel_no_hook_is_put_in(tmp_path: Path) -> None:
    """There the kernel is told itself."""
    machine = Machine(tmp_path)
    path = tmp_path / "config.json"
    path.write_text('{"ociVersion": "1.0.2"}', "ascii")
    assert machine.run(f"--annotator-hook={HOOK}", "create", "--bundle", str(tmp_path), "web").returncode == 4
    assert path.read_text("ascii") == '{"ociVersion": "1.0.2"}'


def test_where_the_bundle_is() -> None:
    """As runtimes take it; the working directory where nothing is said."""
    assert bundle(("create", "-b", "/x", "web")) == bundle(("create", "--bundle=/x", "web")) == "/x"
    assert bundle(("create", "web")) == bundle(("create", "--bundle")) == "."
    assert bundle(("run", "--", "--bundle")) == "."
