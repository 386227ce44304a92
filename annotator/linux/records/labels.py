"""Marks that an execve shows and that support an answer: the device of the program's file, and its security label.

`dev=` of PATH item 0 is st_dev of the program, `MAJOR:MINOR` in hex; major 0 is a device without hardware, as each
mounted overlay, btrfs subvolume, or tmpfs has one. `subj=` is the task's security context: of SELinux
`user:role:type:LEVEL`, where container engines give a pair of categories (`s0:c12,c345`; container_selinux(8)), of
AppArmor the profile's name, on newer kernels with `=` before it and its mode behind.
"""

from __future__ import annotations

import re

from annotator.core.model import Evidence, Mark

_DEVICE = re.compile(rb" dev=(00:[0-9a-f]{2,5})(?: |$)")
_LABEL = re.compile(rb" subj=([^ \x1d]{1,512})")
_PAIR = re.compile(rb"[^:]+:[^:]+:[^:]+:(s\d{1,2}:c(\d{1,4}),c(\d{1,4}))")

PROFILES = re.compile(
    rb"docker-default|cri-containerd\.apparmor\.d|crio-default|nerdctl-default|buildkit-default"
    rb"|containers-default-[0-9.]+|lxc-container-default[a-z-]*|(?:lxd|incus)-[^/]+_<[^>]*>.*"
)
"""Profiles that engines confine containers by: docker, containerd, CRI-O, nerdctl, podman and buildah, LXC, LXD."""


def device(path: bytes) -> bytes:
    """The device in the body of a PATH record, where it has no hardware; else b""."""
    match = _DEVICE.search(path)
    return match[1] if match else b""


def marks(part: bytes, dev: bytes) -> tuple[Mark, ...]:
    """The marks in the part of a SYSCALL record that has `subj=`, and in a device (b"": none)."""
    shown = [Mark(Evidence.OVERLAY, dev)] if dev else []
    match = _LABEL.search(part)
    label = match[1].lstrip(b"=") if match else b""
    pair = _PAIR.fullmatch(label)
    if pair is not None:
        if pair[2] != pair[3]:
            shown.append(Mark(Evidence.SELINUX, pair[1]))
    elif PROFILES.fullmatch(label):
        shown.append(Mark(Evidence.APPARMOR, label))
    return tuple(shown)
