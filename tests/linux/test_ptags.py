"""Rules of annotator.linux.contid.ptags: what a site's own tags say, and what is never believed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import CONTID_UNSET, ContId
from annotator.linux.contid.ptags import MAX_VALUE, CgroupTags, Tag, parse_ptags, parse_value, pidfd_tag

UUID = "6b29fc40-ca47-1067-b31d-00dd010662da"
UNIFIED = next(
    (path for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if Path(path, "cgroup.procs").exists()), ""
)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (b"7", Tag(ContId(7))),
        (b"0\n", Tag(ContId(0))),
        (b"18446744073709551614", Tag(ContId(2**64 - 2))),
        (b"18446744073709551615", None),
        (b"99999999999999999999", None),
        (b"-1", None),
        (b"unset", None),
        (b"", None),
        (b"007", Tag(id="007")),
        (UUID.encode(), Tag(id=UUID, uuid=UUID)),
        (b"a1" * 32, Tag(id="a1" * 32)),
        (b"two words", None),
        (b"caf\xc3\xa9", None),
        (b"x" * (MAX_VALUE + 1), None),
        (b"web\0", Tag(id="web")),
    ],
)
def test_a_value(value: bytes, want: Tag | None) -> None:
    """A contid, a UUID or an id; unset, and what could not be printed, is nothing."""
    assert parse_value(value) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b"@c:contid=7\nother=1\n", Tag(ContId(7))),
        (
            b"c:contid=7\n@c:id=web\n@c:name=Web\n@c:image=i:1\n@c:engine=e\n",
            Tag(ContId(7), "web", "", "Web", "i:1", "e"),
        ),
        (b"@c:id=web\n", Tag(None, "web")),
        (b"@c:contid=7\n@c:contid=8\n", None),
        (b"@c:contid=x\n@c:id=web\n", None),
        (b"@c:name=Web\n", None),
        (b"@d:contid=7\n", None),
        (b"c:contid\n", None),
        (b"@c:id=web\n@c:name=a\x1b[0m\n", Tag(None, "web")),
    ],
)
def test_tags_with_a_prefix(text: bytes, want: Tag | None) -> None:
    """Names alone say nothing, nor does a tag that is there twice or a contid that is no number."""
    assert parse_ptags(text, "c:") == want


@given(
    st.lists(st.sampled_from([b"c:", b"contid", b"=", b"@", b"id", b"7", b"\n"]) | st.binary(max_size=9)).map(b"".join)
)
def test_any_bytes_are_a_tag_or_none(text: bytes) -> None:
    """Never an exception, never the unset contid, never a text that a terminal would act on."""
    for tag in (parse_ptags(text, "c:"), parse_value(text)):
        assert tag is None or (tag.contid != CONTID_UNSET and (tag.contid is not None or tag.id))
        assert tag is None or all(each.isprintable() for each in (tag.id, tag.name, tag.image, tag.engine))


@pytest.mark.parametrize(
    "name", ["security.contid", "contid", "trusted.", "user.a b", "trusted." + "x" * 300, "user.é"]
)
def test_only_these_attributes(tmp_path: Path, name: str) -> None:
    """A misspelt attribute is an error at the start, not a silence for ever."""
    with pytest.raises(ValueError, match=name[:4]):
        CgroupTags(tmp_path, name)


def test_where_there_is_no_v2_nothing_is_found(tmp_path: Path) -> None:
    """A machine with v1 hierarchies only has no such tags."""
    tags = CgroupTags(tmp_path, "trusted.contid")
    assert tags.of(b"0::/a\n") == ()
    tags.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A cgroup v2 tree of directories with `user.` attributes, where this file system has them."""
    inner = tmp_path / "sys/fs/cgroup/a/b/c"
    inner.mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.procs").touch()
    try:
        for path, value in ((inner, b"3"), (inner.parent.parent, b"1")):
            os.setxattr(path, "user.contid", value)
    except OSError:
        pytest.skip("no extended attributes on this file system")
    return tmp_path


def test_cgroups_tags_are_a_chain_nearest_first(tree: Path) -> None:
    """The container's cgroup is above those the workload makes, so all on the way out count."""
    tags = CgroupTags(tree, "user.contid")
    assert tags.of(b"1:cpu:/x\n0::/a/b/c\n") == (Tag(ContId(3)), Tag(ContId(1)))
    assert tags.of(b"0::/a/b\n") == (Tag(ContId(1)),)
    assert tags.of(b"0::/\n") == ()
    tags.close()


@pytest.mark.parametrize(
    "text", [b"", b"0::/../a\n", b"0::/a/gone\n", b"0::/a (deleted)\n", b"1:cpu:/a\n", b"0::/a/\0\n"]
)
def test_cgroups_that_cannot_be_looked_at(tree: Path, text: bytes) -> None:
    """Gone, or further out than we see: half a chain would be a wrong one."""
    tags = CgroupTags(tree, "user.contid")
    assert tags.of(text) == ()
    tags.close()


@given(text=st.lists(st.sampled_from([b"0::/", b"/", b"a", b"..", b"\n", b"b"]) | st.binary(max_size=5)).map(b"".join))
def test_any_cgroup_text_is_an_answer(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    """No path leads out of the hierarchy, none raises."""
    root = tmp_path_factory.getbasetemp() / "any"
    (root / "sys/fs/cgroup/a/b").mkdir(parents=True, exist_ok=True)
    (root / "sys/fs/cgroup/cgroup.procs").touch()
    tags = CgroupTags(root, "user.contid")
    assert tags.of(text) == ()
    tags.close()


@pytest.mark.live
@pytest.mark.skipif(not UNIFIED or os.geteuid() != 0, reason="needs root and cgroup v2")
@pytest.mark.parametrize("name", ["trusted.annotator_test", "user.annotator_test"])
def test_a_tag_on_a_real_cgroup(name: str) -> None:
    """Set on the outer cgroup, seen from the inner one, gone with it."""
    outer = Path(UNIFIED, f"annotator-test-{os.getpid()}")
    inner = outer / "inner"
    inner.mkdir(parents=True)
    try:
        os.setxattr(outer, name, b"42")
        tags = CgroupTags(Path("/"), name)
        assert tags.of(f"0::/{outer.name}/inner\n".encode()) == (Tag(ContId(42)),)
        tags.close()
    finally:
        inner.rmdir()
        outer.rmdir()


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_tag_on_a_real_process() -> None:
    """`trusted.` attributes on a pidfd, where the kernel has them (6.17); other names and processes say nothing."""
    child = subprocess.Popen(["sleep", "30"])
    try:
        fd = os.pidfd_open(child.pid)
        try:
            os.setxattr(fd, "trusted.annotator_test", b"42\n")
        except OSError:
            pytest.skip("this kernel has no attributes on pidfds")
        finally:
            os.close(fd)
        assert pidfd_tag(child.pid, "trusted.annotator_test") == Tag(ContId(42))
        assert pidfd_tag(child.pid, "user.annotator_test") is None
        assert pidfd_tag(os.getpid(), "trusted.annotator_test") is None
    finally:
        child.kill()
        child.wait()
    assert pidfd_tag(child.pid, "trusted.annotator_test") is None
    assert pidfd_tag(-1, "trusted.x") is None
