"""Man pages in the man(7) macros, of what the commands and the configuration say of themselves."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from annotator import __version__
from annotator.admin import install_plan
from annotator.admin.config_docs import keys, section_doc
from annotator.core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = {
    ExitCode.DONE: "Done.",
    ExitCode.FAILED: "Failed; the message says what happened and what to do.",
    ExitCode.USAGE: "The command line, the configuration or an input is invalid.",
    ExitCode.LOSS: "Done, but something was lost or rejected, and --strict was given.",
}


def escape(text: str) -> str:
    """Text for troff: nothing in it is a request, and a hyphen is one that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def command_page(group: click.Group, sections: str) -> str:
    """annotator(1): every command with its arguments and options. `sections`: further sections, in man(7)."""
    out = [_head("annotator", 1, "say in which container each audit event happened")]
    out.append(".SH SYNOPSIS\n.B annotator\n.I COMMAND\n.RI [ OPTION ...]\n.RI [ FILE ...]\n.SH COMMANDS")
    context = click.Context(group, info_name="annotator")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        out.append(f'.SS "annotator {escape(name)} {escape(usage)}"')
        out.append(_paragraphs(command.help or ""))
        out += _options(command, inner)
    out.append(sections.rstrip("\n"))
    out.append(".SH EXIT STATUS")
    out += [f".TP\n.B {code.value}\n{escape(words)}" for code, words in CODES.items()]
    out.append(_see("annotator.toml (5)", "audisp-contid (8)", "auditd (8)", "ausearch (8)", "ausearch-expression (5)"))
    return "\n".join(out) + "\n"


def config_page(example: str) -> str:
    """annotator.toml(5): every key with its type, range and default."""
    out = [_head("annotator.toml", 5, "configuration of audisp-contid"), ".SH DESCRIPTION"]
    out.append(
        _paragraphs(
            f"{install_plan.CONFIG} is a TOML file. Every key may be left out. "
            "An unknown key is an error, and so is a file, "
            "or a directory it is in, that others than root may write: what it says is done by root.\n\n"
            "The unit of a number is in its name: _s seconds, _ms milliseconds, _mib units of 1048576 bytes. "
            "`audisp-contid --check-config` says whether a file can be used. "
            "On SIGHUP (before auditd 4.2: `service auditd reload`) the plugin reads it again; one that cannot be "
            "used is reported, and the one before stays in use."
        )
    )
    section = ""
    for key in keys():
        if key.section != section:
            section = key.section
            head = f"[[{section}]]" if section == "output" else f"[{section}]"
            out.append(f".SH {head}\n{escape(section_doc(section))}")
        out.append(f'.TP\n.BR {escape(key.name)} " = {escape(_quoted(key.default))}"')
        out.append(f"{escape(key.doc)}\n({escape(key.kind)})")
    out.append(f".SH EXAMPLE\n.nf\n{escape(example.strip())}\n.fi")
    out.append(_see("audisp-contid (8)", "annotator (1)", "auditd.conf (5)"))
    return "\n".join(out) + "\n"


def plugin_page(template: str) -> str:
    """audisp-contid(8): the page's own text, with the stanza and the places of files filled in."""
    stanza = install_plan.stanza(install_plan.PROGRAM).decode().partition("\n")[2]
    files = {
        install_plan.CONFIG: "the configuration, annotator.toml(5)",
        f"{install_plan.PLUGINS[0]}/{install_plan.STANZA}": (
            f"the stanza; before auditd 3.0 it is in {install_plan.PLUGINS[1]}"
        ),
        f"{install_plan.RULES}/7?-annotator-*.rules": "audit rules",
        f"{install_plan.LOGS}/": "where the default output is",
        f"{install_plan.STATE}/": "what survives a restart, and the counters",
        f"{install_plan.RUN}/control": "the socket for registrations and questions",
        install_plan.MANIFEST: "what `annotator install` wrote",
    }
    listed = "\n".join(f".TP\n.I {escape(path)}\n{escape(words)}" for path, words in files.items())
    head = _head("audisp-contid", 8, "auditd plugin that says in which container each event happened")
    return head + "\n" + template.replace("@STANZA@", escape(stanza).rstrip("\n")).replace("@FILES@", listed)


def _head(name: str, section: int, what: str) -> str:
    shown = f'.TH {escape(name.upper())} {section} "" "annotator {__version__}" "System Administration"'
    return f"{shown}\n.SH NAME\n{escape(name)} \\- {what}"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or not record[1] or "--help" in record[0]:
            continue
        names, words = record
        yield f".TP\n.B {escape(names)}\n{escape(' '.join(words.split()))}"


def _paragraphs(text: str) -> str:
    cleaned = inspect.cleandoc(text).replace("\b\n", "")
    return "\n.PP\n".join(escape(" ".join(part.split())) for part in cleaned.split("\n\n"))


def _quoted(text: str) -> str:
    """A double quote inside a macro's argument."""
    return text.replace('"', '""')


def _see(*pages: str) -> str:
    return ".SH SEE ALSO\n" + "\n".join(
        f".BR {escape(page)}{',' if at < len(pages) - 1 else ''}" for at, page in enumerate(pages)
    )
