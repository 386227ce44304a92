"""The exception tree, and the exit codes of the program."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the program tells the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LOSS = 3
    """Done, but something was lost or rejected, and `--strict` was given."""


class AnnotatorError(Exception):
    """An error for a person: what happened and where, and what to do about it."""

    exit_code = ExitCode.FAILED

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        """What happened, and on a second line what to do."""
        return f"{self.what}\n{self.advice}" if self.advice else self.what


class UsageError(AnnotatorError):
    """The command line or the configuration cannot be meant."""

    exit_code = ExitCode.USAGE


class SourceError(AnnotatorError):
    """Input that cannot be opened, read or decompressed."""


class FormError(UsageError):
    """Input in a form that has lost what is needed (`ausearch -i`, csv, text, kernel log)."""


class FormatError(AnnotatorError):
    """Bytes that do not follow the grammar they claim. `offset` counts bytes from the start of what was parsed."""

    def __init__(self, what: str, advice: str = "", offset: int = -1) -> None:
        super().__init__(what, advice)
        self.offset = offset


class StoreError(AnnotatorError):
    """A journal or state file that cannot be used."""


class EntryError(StoreError):
    """One entry that cannot be stored, whatever the disk says; all others can."""


class LossError(AnnotatorError):
    """Something was lost or rejected, and the caller had asked to be told. All that could be read was given before."""

    exit_code = ExitCode.LOSS


class SinkError(AnnotatorError):
    """Output that cannot be written."""
