"""The program starts where Linux's names and compiled packages are missing: see `stripped`."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAIL = "samples/aix/auditpr-wpars/input.txt"
LINUX = "samples/linux/stock-s01/input.log"

IMPORT_ALL = """
import importlib, pkgutil
import annotator

def failed(name):
    raise ImportError(name)

names = [found.name for found in pkgutil.walk_packages(annotator.__path__, "annotator.", onerror=failed)]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names))
"""


def stripped(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    """`annotator WORD...` as on AIX."""
    command = [sys.executable, str(Path(__file__).parent / "stripped.py"), "-m", "annotator", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def output(*words: str) -> bytes:
    """What a command prints that must work."""
    done = stripped(*words)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    """No module asks for a name at import that AIX has not, nor for a package that cannot be had there."""
    (tmp_path / "import_all.py").write_text(IMPORT_ALL)
    script = str(Path(__file__).parent / "stripped.py")
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script, "-m", "import_all"], cwd=tmp_path, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) > 150


UNIT_TESTS = """
import os, sys
from tests.aix import stripped

stripped.strip()
os.environ.pop("PYTHONTZPATH")  # tests of local time need a database

def deny(event, args):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(args[0], (str, bytes)):
        if os.fsdecode(args[0]).startswith("/proc"):
            raise PermissionError(13, "there is no such /proc here", args[0])

sys.addaudithook(deny)
try:
    open("/proc/self/stat")
except PermissionError:
    pass
else:
    sys.exit("/proc could be read")
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""

ELSEWHERE = (
    "test_live.py",
    "test_stripped.py",
    "test_replay.py::test_what_is_for_linux_alone",
    "test_journal.py::test_this_machine_s_processes_are_not_those_of_a_trail",
)
"""What starts programs of its own; the refusal of an expression, which is compiled before the trail is known; and the
refusal of a live Linux host for a trail, which AIX answers itself.
"""


@pytest.mark.system
def test_the_unit_tests_pass(tmp_path: Path) -> None:
    """The tests of the AIX half, of the codec and of the counters, and there is no /proc as Linux has it."""
    deselected = [f"--deselect=tests/aix/{name}" for name in ELSEWHERE]
    slow = ["-k", "not (recorded_day or commands_are_not_audited)"]  # the longest, and nothing of a system is in them
    words = ["-q", *slow, "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", *deselected]
    tests = ["tests/aix", "tests/storage/test_codec.py", "tests/core/test_stats.py"]
    command = [sys.executable, "-c", UNIT_TESTS, *words, *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_the_stripping_strips(tmp_path: Path) -> None:
    """Else these tests would show nothing: names and packages are gone, and the system is another."""
    (tmp_path / "probe.py").write_text(
        "import os, sys, time, select, socket, importlib.util\n"
        "print(sys.platform, os.uname().sysname, hasattr(os, 'O_PATH'), hasattr(time, 'CLOCK_BOOTTIME'),\n"
        "      hasattr(select, 'epoll'), hasattr(socket, 'SO_PEERCRED'), hasattr(os, 'O_NOFOLLOW'),\n"
        "      *(importlib.util.find_spec(name) for name in ('orjson', 'pyroute2', 'zstandard', 'audit')))\n"
    )
    command = [sys.executable, str(Path(__file__).parent / "stripped.py"), "-m", "probe"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["aix", "AIX", *["False"] * 4, "True", *["None"] * 4]


@pytest.mark.system
def test_help_and_version() -> None:
    """Every command shows its help."""
    assert b"annotator, version" in output("--version")
    commands = re.findall(rb"^  ([a-z]+) ", output("--help").partition(b"Commands:")[2], re.MULTILINE)
    assert len(commands) > 10
    for command in commands:
        assert b"Usage:" in output(command.decode(), "--help"), command


@pytest.mark.system
@pytest.mark.parametrize("log", [TRAIL, LINUX])
@pytest.mark.parametrize("form", ["json", "raw", "msgpack"])
def test_a_replay_gives_the_same_bytes(form: str, log: str) -> None:
    """A trail, and a Linux log that was brought to AIX, are annotated as on Linux."""
    words = ["replay", "--format", form, log]
    here = subprocess.run([sys.executable, "-m", "annotator", *words], cwd=ROOT, capture_output=True, check=True)
    assert here.stdout
    assert output(*words) == here.stdout


@pytest.mark.system
def test_a_compressed_trail_and_reports(tmp_path: Path) -> None:
    """A trail in gz is read by the standard library; the reports and a saved state work too."""
    packed = tmp_path / "trail.gz"
    packed.write_bytes(gzip.compress((ROOT / TRAIL).read_bytes()))
    names = {json.loads(row)["name"] for row in output("containers", "--output", "json", str(packed)).splitlines()}
    assert {"webapp_prod", "app_batch"} <= names
    assert output("replay", "--state", str(tmp_path / "state"), LINUX)
    assert (tmp_path / "state").stat().st_size


@pytest.mark.system
def test_commands_of_a_machine() -> None:
    """The plugin's configuration is checked, and doctor says what it finds; no traceback anywhere."""
    assert stripped("plugin", "--check-config").stdout.startswith(b"/etc/annotator/annotator.toml")
    doctor = stripped("doctor")
    assert b"way psinfo" in doctor.stdout, doctor.stderr.decode()
    assert b"Traceback" not in doctor.stderr
    assert b"auparse" not in doctor.stdout
    assert b"kernel" not in doctor.stdout


@pytest.mark.system
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("replay", "--host", "live", LINUX), "this machine is no Linux"),
        (("replay", "--host", "samples", LINUX), "read on Linux only"),
        (("replay", "samples/linux/stock-s01/packed.zst"), "zstandard is missing"),
    ],
)
def test_what_needs_linux_is_refused_in_words(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    """A clear error, and the exit code of wrong usage or of a failure; never a traceback."""
    packed = tmp_path / "packed.zst"
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(32))
    done = stripped(*(str(packed) if word.endswith(".zst") else word for word in words))
    assert done.returncode in (1, 2)
    assert why in done.stderr.decode()
    assert b"Traceback" not in done.stderr
