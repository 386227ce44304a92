"""Rules of linux.records.labels: which devices and labels can support an answer, and that no text breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import Evidence, Mark
from annotator.linux.records.labels import device, marks

PATH = b'item=0 name="/bin/sh" inode=9 dev=%s mode=0100755 ouid=0 ogid=0 rdev=00:00 obj=x nametype=NORMAL'


@pytest.mark.parametrize(
    ("dev", "want"),
    [
        (b"00:28", b"00:28"),
        (b"00:1a3f", b"00:1a3f"),
        (b"fe:00", b""),  # a disk
        (b"08:02", b""),
        (b"00:", b""),
        (b"00:zz", b""),
        (b"00:28282828", b""),
    ],
)
def test_only_a_device_without_hardware_is_a_mark(dev: bytes, want: bytes) -> None:
    """Major 0: an overlay, a btrfs subvolume, a tmpfs."""
    assert device(PATH % dev) == want


def test_a_name_is_no_device() -> None:
    """A path that looks like the field is written in hex by the kernel, and rdev= is another thing."""
    assert device(b'item=0 name="dev=00:28" inode=9 dev=fe:00 rdev=00:99') == b""


@pytest.mark.parametrize(
    ("label", "want"),
    [
        (b"system_u:system_r:container_t:s0:c123,c456", Mark(Evidence.SELINUX, b"s0:c123,c456")),
        (b"system_u:system_r:svirt_lxc_net_t:s0:c1,c2", Mark(Evidence.SELINUX, b"s0:c1,c2")),
        (b"unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023", None),  # a user's range
        (b"system_u:system_r:spc_t:s0", None),  # a privileged container
        (b"system_u:system_r:container_t:s0:c5", None),
        (b"system_u:system_r:container_t:s0:c5,c5", None),
        (b"system_u:system_r:container_t:s0:c1.c5", None),
        (b"docker-default", Mark(Evidence.APPARMOR, b"docker-default")),
        (b"=docker-default", Mark(Evidence.APPARMOR, b"docker-default")),
        (b"containers-default-0.50.1", Mark(Evidence.APPARMOR, b"containers-default-0.50.1")),
        (b"lxc-container-default-cgns", Mark(Evidence.APPARMOR, b"lxc-container-default-cgns")),
        (b"lxd-web_</var/snap/lxd/common/lxd>", Mark(Evidence.APPARMOR, b"lxd-web_</var/snap/lxd/common/lxd>")),
        (b"unconfined", None),
        (b"/usr/sbin/cupsd", None),
        (b"my-docker-default", None),
        (b"docker-default2", None),
    ],
)
def test_labels_that_engines_give(label: bytes, want: Mark | None) -> None:
    """A pair of categories, or a profile by its whole name; with a mode behind it, as newer kernels write it."""
    expected = (want,) if want is not None else ()
    assert marks(b' ppid=1 pid=2 comm="sh" exe="/bin/sh" subj=' + label, b"") == expected
    assert marks(b' ppid=1 pid=2 comm="sh" exe="/bin/sh" subj=' + label + b" (enforce)", b"") == expected


def test_both() -> None:
    """A device and a label."""
    found = marks(b" subj=a:b:c:s0:c1,c2", b"00:28")
    assert [one.kind for one in found] == [Evidence.OVERLAY, Evidence.SELINUX]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_text_breaks_it(path: bytes, part: bytes) -> None:
    """What is found stands in the text."""
    assert device(path) in path
    assert all(one.value in part for one in marks(part, b""))
