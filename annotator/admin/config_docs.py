"""The keys of the configuration as documents show them, and the default configuration that `install` writes.

Types, limits, defaults and meanings are those of `plugin.config`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from annotator.plugin import config

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_INSTALLED: Final = frozenset({"aix"})
"""Sections that the installed configuration leaves out: `install` is for Linux."""

INSTALLED_VALUES: Final = {"metrics.file": "/var/lib/annotator/metrics.prom", "metrics.interval_s": 5.0}
"""Keys that the installed configuration sets to other values than the defaults: `status` and `top` need the file."""

FIRST_OUTPUT: Final = (("type", "file"), ("name", "audit"), ("path", "/var/log/annotator/audit.log"), ("mode", "0640"))
"""The output that is the default, spelled out."""


class Key(NamedTuple):
    """One key: its type in words (`kind`), its default as TOML writes it, its meaning (`doc`)."""

    section: str
    name: str
    kind: str
    default: str
    doc: str

    @property
    def full(self) -> str:
        """`section.name`."""
        return f"{self.section}.{self.name}"


def keys() -> Iterator[Key]:
    """Every key of the configuration, in the order of `config`."""
    hints = get_type_hints(config.Config)
    for section in dataclasses.fields(config.Config):
        table = hints[section.name]
        if get_origin(table) is tuple:
            table = get_args(table)[0]
        inner = get_type_hints(table)
        for field in dataclasses.fields(table):
            limits = field.metadata.get("range")
            kind = _kind(inner[field.name]) + (f", {limits[0]:.10g} to {limits[1]:.10g}" if limits else "")
            yield Key(section.name, field.name, kind, toml(field.default), field.metadata["doc"])


def section_doc(section: str) -> str:
    """The meaning of a table of the configuration."""
    return next(str(field.metadata["doc"]) for field in dataclasses.fields(config.Config) if field.name == section)


def default_config() -> str:
    """The configuration that `install` writes: every key as a comment with its default, and a few that are set."""
    out = ["# Configuration of audisp-contid; see annotator.toml(5). Made by scripts/gen-docs.", ""]
    section = ""
    for key in keys():
        if key.section in NOT_INSTALLED:
            continue
        if key.section != section:
            section = key.section
            head = f"[[{section}]]" if section == "output" else f"[{section}]"
            out += ["", f"# {section_doc(section)}", head]
            if section == "output":
                out += [f"{name} = {toml(value)}" for name, value in FIRST_OUTPUT] + ["#"]
        if key.full in INSTALLED_VALUES:
            out.append(f"{key.name} = {toml(INSTALLED_VALUES[key.full])}")
        elif section != "output" or key.name not in dict(FIRST_OUTPUT):
            out.append(f"#{key.name} = {key.default}")
    return "\n".join(out) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it; only what a configuration can hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'
    return str(value)


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f'"{one}"' for one in get_args(hint))
    if get_origin(hint) is tuple:
        return "list of texts"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[hint]
