"""Every status, reason, evidence and flag in words: what it means, an example, and what to do. The one source.

`annotator help reasons` prints it, `annotator explain` and the schema's descriptions quote it, and
`scripts/gen-docs` writes data/doc/reasons.md of it.

Budget: a glossary is read as a whole; it is data, not code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import Evidence, Flag, Reason, Status

if TYPE_CHECKING:
    from enum import StrEnum


class Word(NamedTuple):
    """One word of an answer. `example`: when it is met; `advice`: what to do, or how far to trust it."""

    meaning: str
    example: str
    advice: str


STATUS = {
    "container": Word(
        "The event happened in this container.",
        "A shell in `web` opens a file.",
        "See the evidence for how far to trust it.",
    ),
    "host": Word(
        "It happened outside any container, and that is proven.",
        "sshd, forked by pid 1, opens a file.",
        "Host is a proof too: it is never said for want of evidence.",
    ),
    "unknown": Word(
        "It cannot be told where it happened; the reason says why.",
        "A process that is older than the log.",
        "`annotator explain STAMP:SERIAL LOG` says which audit rule would have proven it.",
    ),
    "none": Word(
        "The event is about no process and no network namespace.",
        "auditd starts; a rule is loaded by the kernel.",
        "Nothing: there is nothing that could be in a container.",
    ),
}

REASONS = {
    "not-seen": Word(
        "The process was never seen to be born, and nothing says where it is.",
        "A daemon that ran before auditd did, in a log without a journal.",
        "Replay with the plugin's journal (--journal), or record births: `annotator install --rules "
        "minimal,lineage,namespaces`.",
    ),
    "gone": Word(
        "The machine was asked, and had the process no longer.",
        "`ls` in a container lived for 2 ms; it was looked for after 5.",
        "Record births (the `lineage` rules): then its parent answers for it.",
    ),
    "denied": Word(
        "The machine was asked, and would not say.",
        "The plugin runs without CAP_SYS_PTRACE; a hidepid mount of /proc.",
        "`annotator doctor` says which right is missing.",
    ),
    "reused": Word(
        "The machine has another process under this pid by now.",
        "pid 4711 was `ls` then, and is `cron` now.",
        "As for `gone`.",
    ),
    "zombie": Word(
        "The process is dead and not yet reaped; its cgroup no longer names its container.",
        "A child that its parent has not waited for.",
        "As for `gone`.",
    ),
    "ambiguous": Word(
        "Two containers, or a container and the host, are equally possible.",
        "Two containers have the same address; a packet comes from it.",
        "It is never guessed. See the records around it: `annotator explain`.",
    ),
    "gap": Word(
        "Records were lost around it, so what was known before may not hold any more.",
        "The kernel's queue was full: `audit: backlog limit exceeded`; auditd was restarted.",
        "Raise the backlog (`-b` in audit.rules) and auditd's q_depth; look at `lost` of `auditctl -s`.",
    ),
    "late": Word(
        "What could be read of the process is newer than the event: it changed its place in between.",
        "The plugin read the cgroup after the process had moved.",
        "Less lag: see the queue in `annotator status`; record namespaces (the `namespaces` rules).",
    ),
    "hidden": Word(
        "A private cgroup namespace hides the path that would name the container.",
        "The plugin itself runs in a container with a cgroup namespace of its own.",
        "Run it on the host, or with --cgroupns=host and --pid=host.",
    ),
    "tentative": Word(
        "A registration was asked for, and its result is not in the log.",
        "CONTAINER_OP without the record that says res=1.",
        "Look whether records are missing there; an audit user space with contid support writes both.",
    ),
    "engine-not-believed": Word(
        "An engine's command line is above it, and is worth nothing: its claimant could be anybody.",
        "A program called runc in a home directory, run by an ordinary user, names a container.",
        "Replay with the journal; if it is an engine of yours, keep it where root keeps programs.",
    ),
    "overload": Word(
        "It was passed on without being looked at, because the plugin was told to do so when it is too busy.",
        '`queue.when_full = "pass"` and 50,000 events in a second.',
        "Replay that stretch of the log with the journal: nothing is lost but the answer.",
    ),
    "no-subject": Word(
        "The event is about nothing that can be in a container.",
        "DAEMON_START.",
        "Nothing.",
    ),
    "assumed": Word(
        "It would follow from a claim whose claimant could not be placed.",
        "An engine that is older than the log names a container.",
        "Replay with the journal, or leave --strict-evidence out.",
    ),
}

EVIDENCE = {
    "record": Word(
        "The event itself has a CONTAINER_ID record.",
        "A kernel with contid patches.",
        "The strongest there is: the kernel says so.",
    ),
    "registered": Word(
        "The process, or one it descends from, was registered as this container.",
        "`annotator register 4711 --name build`; CONTAINER_OP of a patched kernel.",
        "As good as who registered it: only root outside containers can.",
    ),
    "contid-file": Word(
        "Read from /proc/PID/audit_containerid.", "A kernel with contid patches, live.", "The kernel says so."
    ),
    "ptags": Word(
        "Read from /proc/PID/attr/ptags.",
        "A site that uses process tags for containers.",
        "As good as who may set them.",
    ),
    "xattr": Word(
        "An extended attribute on the process's cgroup or pidfd.",
        "An engine that writes one.",
        "As good as who may set it.",
    ),
    "cgroup": Word(
        "The cgroup of that very process names the container.",
        "/system.slice/docker-f5a2….scope, read by the plugin or a journal.",
        "Believed where root's engine owns the directory; below a container's own cgroup a name proves nothing.",
    ),
    "lineage": Word(
        "It was born of a process that was inside, by its fork record.",
        "`ls`, forked by a shell in `web`.",
        "A kernel fact. It may be nested deeper than its parent where namespaces are not recorded.",
    ),
    "mntns": Word(
        "Its mount namespace is that of exactly one known container.",
        "A process that was seen by a look at /proc.",
        "A kernel fact.",
    ),
    "command": Word(
        "An engine's command line named the container, and a change of namespaces followed.",
        "`runc create --bundle … f5a2…`, then clone with new namespaces.",
        "The text is the engine's claim; it counts only with the kernel's word, and from root or the owner.",
    ),
    "overlay": Word(
        "Its program lies on the overlay device of this container.",
        "Supports `lineage`; never alone.",
        "A hint that supports or contradicts; it never names.",
    ),
    "selinux": Word(
        "The pair of categories of its SELinux label is this container's.",
        "container_t:s0:c12,c345.",
        "A hint that supports or contradicts; it never names.",
    ),
    "apparmor": Word(
        "Its AppArmor profile is one that engines give to containers.",
        "docker-default.",
        "A hint that supports; it never names.",
    ),
    "mountinfo": Word(
        "The mounts that it sees are this container's.",
        "An overlay root in /proc/PID/mountinfo.",
        "A hint that supports; it never names.",
    ),
    "ppid": Word(
        "The parent that its records name is inside.",
        "No fork record, but ppid=1414, and 1414 is the container's shell.",
        "Proves inside, never host; record births (the `lineage` rules) for more.",
    ),
    "address": Word(
        "The packet's address is a container's.",
        "NETFILTER_PKT from 10.88.0.5.",
        "The sender wrote the address: it says whose it is, not where the packet was made.",
    ),
    "host-view": Word(
        "A look at the machine showed a process of the host.",
        "/proc/PID/cgroup is /user.slice, in the host's namespaces.",
        "A kernel fact, as of the look.",
    ),
    "init": Word(
        "It is pid 1 or a kernel thread, or descends from one by an unbroken chain of births outside containers.",
        "systemd, sshd, the shell of a login.",
        "Holds until records are lost: then such answers become `gap`.",
    ),
    "trail": Word("AIX: the record names its WPAR.", "`auditpr -v -h … W`.", "The kernel says so."),
    "inventory": Word(
        "AIX: a listing of WPARs gives the number or the name.",
        "lswpar, libperfstat, the corrals index.",
        "As of the time of the listing.",
    ),
    "inferred": Word(
        "AIX: read by a layout that is not verified on a real system.",
        "A binary trail of version 5.",
        "Marked `tentative`; compare with auditpr.",
    ),
    "conflict": Word(
        "Two sources say different things.",
        "A look shows another container than the log proves.",
        "No answer is given, or the first one stands with a flag.",
    ),
}

FLAGS = {
    "entered": Word(
        "The process belongs to the host, and is in the place of a container.",
        "A host process that joined a container's namespaces and nothing else.",
        "Not for `docker exec` and `podman exec`: those are sessions (session.id other than 0).",
    ),
    "escaped": Word(
        "The process belongs to a container, and is in another place.",
        "A process of `web` whose mount namespace is the host's.",
        "Look at it at once: a container's process that sees the host's files.",
    ),
    "cgroup-only": Word(
        "Only its cgroup says that it is inside; its namespaces are the host's.",
        "A helper that an engine put into the container's cgroup.",
        "Mostly the engine's own.",
    ),
    "contradicted": Word(
        "A later source says otherwise; the first answer stands.",
        "A SELinux pair of another container.",
        "`annotator explain` shows both.",
    ),
    "crossed": Word(
        "Who acted and whom it aimed at are in different containers.",
        "A process in `web` signals one on the host.",
        "Worth an alert: containers do not do this to each other.",
    ),
    "shared": Word(
        "Another live container has the same contid.", "Two containers registered with one number.", "Go by the id."
    ),
    "late-name": Word(
        "The container's name was learnt after the event.",
        "The engine's state was read 1 s later.",
        "The id is certain; a rename in between cannot be seen.",
    ),
    "tentative": Word(
        "The answer rests on something whose result, or layout, is not certain.",
        "AIX: `inferred`.",
        "Compare with another source.",
    ),
    "assumed": Word(
        "The claim it rests on could not be checked: where its claimant was is not known.",
        "An engine older than the log creates a container.",
        "With --strict-evidence such answers are left out; live and with a journal there are none.",
    ),
    "at-least": Word(
        "It is in this container, or in one nested in it.",
        "Docker in docker, where the log does not show which inner container was entered.",
        "Right, but perhaps not the whole.",
    ),
}

WORDS: dict[str, Word] = {**FLAGS, **EVIDENCE, **STATUS, **REASONS}
"""All of them by their value; where a reason and a flag share one, the reason's."""

_SECTIONS: tuple[tuple[str, type[StrEnum], dict[str, Word], str], ...] = (
    ("Status", Status, STATUS, "`provenance.status`: where an event happened."),
    ("Reasons", Reason, REASONS, "`provenance.reason`, and `?REASON` in the text form: why there is no answer."),
    (
        "Evidence", Evidence, EVIDENCE,
        "`provenance.evidence`, `cont_how` of the raw form: what an answer rests on, strongest first.",
    ),
    ("Flags", Flag, FLAGS, "`provenance.flags`, `cont_flags`: what is odd about an answer that is nevertheless given."),
)  # fmt: skip


def page() -> str:
    """The glossary as a page in Markdown: what there is in this version."""
    out = [
        "# Reasons, evidence, flags",
        "",
        "What the words of an answer mean, when one meets them, and what to do. `annotator explain STAMP:SERIAL LOG` "
        "applies them to one event.",
    ]
    for title, kind, words, about in _SECTIONS:
        out += ["", f"## {title}", "", about, ""]
        for one in kind:
            word = words[one.value]
            out += [f"- **{one.value}**: {word.meaning} *Example:* {word.example} *What to do:* {word.advice}"]
    return "\n".join(out) + "\n"


def described(kind: type[StrEnum]) -> str:
    """All words of one kind for the schema: `WORD: what it means` each."""
    words = next(words for _, one, words, _ in _SECTIONS if one is kind)
    return " ".join(f"{one.value}: {words[one.value].meaning}" for one in kind)
