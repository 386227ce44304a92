"""Install and uninstall leave a machine as it was, whatever was there, and touch nothing of others."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.admin import install, install_plan, manifest, rules
from annotator.admin.install import Action
from annotator.core.errors import AnnotatorError, UsageError
from tests.admin.conftest import tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.admin.install import Step

OPTIONS = install_plan.Options(levels=tuple(rules.LEVELS), hook="/usr/local/bin/annotator-oci-hook")


def put(root: Path, options: install_plan.Options = OPTIONS) -> list[Step]:
    """Install, as the command does."""
    made = manifest.load(root)
    steps = install.steps(root, install_plan.plan(root, options), made)
    install.apply(root, steps, made)
    return steps


def take(root: Path, *, purge: bool = False) -> list[str]:
    """Uninstall, as the command does."""
    made = manifest.load(root)
    return install.remove(root, install.removals(root, made, purge=purge), made, purge=purge)


def acts(steps: Sequence[Step]) -> set[Action]:
    """What happens to any path."""
    return {step.action for step in steps}


def test_uninstall_leaves_the_machine_as_it_was(root: Path) -> None:
    """Same files, same bytes, same modes, same directories."""
    before = tree_of(root)
    put(root)
    assert tree_of(root) != before
    assert take(root) == []
    assert tree_of(root) == before


NAMES = st.sampled_from(
    [
        install_plan.CONFIG,
        f"{install_plan.LOGS}/audit.log",
        f"{install_plan.STATE}/state",
        f"{install_plan.DOC}/notes.txt",
        f"{install_plan.RULES}/50-own.rules",
        "/usr/local/share/man/man1/other.1",
        "/etc/annotator/other.toml",
        "/etc/audit/plugins.d/other.conf",
        "/usr/local/sbin/other",
        "/etc/containers/oci/hooks.d/other.json",
    ]
)
LEVELS = st.lists(st.sampled_from(list(rules.LEVELS)), unique=True).map(tuple)


@settings(max_examples=max(20, settings().max_examples // 5))
@given(
    there=st.dictionaries(NAMES, st.binary(max_size=20)),
    runs=st.lists(st.tuples(LEVELS, st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=4),
    old=st.booleans(),
)
def test_any_installations_are_taken_back_whole(
    there: dict[str, bytes], runs: list[tuple[tuple[str, ...], bool, bool, bool]], old: bool
) -> None:
    """On any machine, after any sequence of installations with other options, uninstall leaves what was there."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / install_plan.PLUGINS[old][1:]).mkdir(parents=True)
        for path, data in there.items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_bytes(data)
        before = tree_of(root)
        for levels, hook, active, documents in runs:
            put(root, install_plan.Options(levels, hook="/usr/bin/h" * hook, active=active, documents=documents))
        assert take(root) == []
        assert tree_of(root) == before


def test_a_second_installation_does_nothing(root: Path) -> None:
    """Run as often as you like."""
    put(root)
    before = tree_of(root)
    assert acts(put(root)) == {Action.SAME}
    assert tree_of(root) == before


def test_what_others_wrote_is_not_overwritten(root: Path) -> None:
    """A file in the way stops everything before anything is written, and is named."""
    mine = root / install_plan.RULES[1:] / rules.LEVELS["minimal"]
    mine.write_text("-w /etc/passwd -p wa\n")
    before = tree_of(root)
    with pytest.raises(UsageError, match="75-annotator-minimal"):
        put(root)
    assert tree_of(root) == before


def test_the_same_file_of_others_stays_theirs(root: Path) -> None:
    """A file that was there already, byte for byte, is not removed by uninstall."""
    mine = root / install_plan.RULES[1:] / rules.LEVELS["minimal"]
    mine.write_text(rules.source("minimal"))
    before = tree_of(root)
    put(root)
    take(root)
    assert tree_of(root) == before


def test_a_configuration_that_was_there_is_used(root: Path) -> None:
    """The administrator's own configuration is neither replaced nor removed."""
    mine = root / install_plan.CONFIG[1:]
    mine.parent.mkdir(parents=True)
    mine.write_text("[queue]\n")
    assert Action.OWN in acts(put(root))
    take(root, purge=True)
    assert mine.read_text() == "[queue]\n"


def test_what_was_changed_by_hand_stays(root: Path) -> None:
    """Upgrade and uninstall keep it and name it; --purge removes it, with logs and state."""
    before = tree_of(root)
    put(root)
    mine = root / install_plan.CONFIG[1:]
    mine.write_text("[queue]\n")
    log, state = root / install_plan.LOGS[1:] / "audit.log", root / install_plan.STATE[1:] / "state"
    state.parent.mkdir()
    for one in (log, state):
        one.write_text("x")
    assert Action.KEPT in acts(put(root))
    stay = take(root)
    assert mine.read_text() == "[queue]\n"
    assert log.exists()
    assert state.exists()
    assert {install_plan.CONFIG, install_plan.LOGS} <= set(stay)
    assert Action.KEPT in acts(put(root))
    assert take(root, purge=True) == []
    assert tree_of(root) == before


def test_an_upgrade_replaces_what_it_wrote(root: Path) -> None:
    """A file that is as we wrote it becomes the new one; its mode too."""
    put(root, OPTIONS._replace(python="/opt/old/bin/python"))
    program = root / install_plan.PROGRAM[1:]
    (root / install_plan.PLUGINS[0][1:] / install_plan.STANZA).chmod(0o666)
    assert acts(put(root, OPTIONS._replace(python="/opt/new/bin/python"))) == {Action.SAME, Action.UPDATE}
    assert program.read_text().startswith("#!/opt/new/bin/python -I\n")
    assert (root / install_plan.PLUGINS[0][1:] / install_plan.STANZA).stat().st_mode & 0o777 == 0o640


def test_a_level_that_is_not_wanted_any_more_goes(root: Path) -> None:
    """Its file is removed when it is as we wrote it."""
    put(root)
    put(root, OPTIONS._replace(levels=("minimal",)))
    left = sorted(path.name for path in (root / install_plan.RULES[1:]).glob("7*"))
    assert left == [rules.LEVELS["minimal"]]


def test_an_installation_that_was_cut_short_is_known(root: Path) -> None:
    """The manifest is there before the files: what was written can be taken back, what was not is no obstacle."""
    before = tree_of(root)
    made = manifest.load(root)
    steps = install.steps(root, install_plan.plan(root, OPTIONS), made)
    blocked = root / install_plan.PROGRAM[1:]
    blocked.with_name(f".{blocked.name}.new").mkdir(parents=True)
    with pytest.raises(AnnotatorError):
        install.apply(root, steps, made)
    blocked.with_name(f".{blocked.name}.new").rmdir()
    assert (root / install_plan.CONFIG[1:]).exists()
    put(root)
    take(root)
    (root / "usr/local/sbin").rmdir()  # that one we did not make
    assert tree_of(root) == before


def test_a_link_out_of_the_root_is_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing outside of --root is touched, and no link is written through."""
    outside = tmp_path_factory.mktemp("outside")
    (root / "etc/annotator").symlink_to(outside)
    with pytest.raises(AnnotatorError, match="leads out of"):
        put(root)
    assert not list(outside.iterdir())
    (root / "etc/annotator").unlink()
    (root / install_plan.RULES[1:] / rules.LEVELS["minimal"]).symlink_to(outside / "x")
    with pytest.raises(AnnotatorError, match="in the way"):
        put(root)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "[]",
        '{"files": {"/etc/passwd": 1}, "directories": []}',
        '{"files": {"/a/../b": []}, "directories": []}',
        '{"files": {}, "directories": ["etc"]}',
        '{"files": {}, "directories": [null]}',
    ],
)
def test_a_damaged_manifest_is_refused(root: Path, content: str) -> None:
    """Uninstall deletes what it names, so it must be whole."""
    path = root / install_plan.MANIFEST[1:]
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(AnnotatorError, match="no list of installed files"):
        manifest.load(root)


def test_a_manifest_cannot_make_us_delete_what_others_wrote(root: Path) -> None:
    """A file that has not our hash stays, whatever the manifest names."""
    path = root / install_plan.MANIFEST[1:]
    path.parent.mkdir()
    path.write_text(
        json.dumps({"files": {"/etc/audit/rules.d/audit.rules": ["0" * 64]}, "directories": ["/etc/audit"]})
    )
    take(root)
    assert (root / "etc/audit/rules.d/audit.rules").exists()


def test_the_dry_run_is_a_patch(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What --dry-run prints, given to patch(1), makes the same files as the installation."""
    text = install.diff(install.steps(root, install_plan.plan(root, OPTIONS), manifest.load(root)))
    other = tmp_path_factory.mktemp("patched")
    done = subprocess.run(["patch", "-s", "-p1", "-d", other], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    put(root)
    for entry in install_plan.plan(root, OPTIONS):
        assert (other / entry.path[1:]).read_bytes() == (root / entry.path[1:]).read_bytes()


def test_a_machine_without_auditd_is_refused(tmp_path: Path) -> None:
    """There is nobody who would start the plugin."""
    with pytest.raises(UsageError, match="no auditd"):
        put(tmp_path)


def test_auditd_before_3_has_another_directory(tmp_path: Path) -> None:
    """And after its upgrade the stanza moves."""
    (tmp_path / "etc/audisp/plugins.d").mkdir(parents=True)
    put(tmp_path)
    assert (tmp_path / "etc/audisp/plugins.d/audisp-contid.conf").exists()
    (tmp_path / "etc/audit/plugins.d").mkdir(parents=True)
    put(tmp_path)
    assert not (tmp_path / "etc/audisp/plugins.d/audisp-contid.conf").exists()
    assert (tmp_path / "etc/audit/plugins.d/audisp-contid.conf").exists()
