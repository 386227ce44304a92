"""Command lines as the programs' own parsers read them: getopt_long, Go's flag package, GLib's and glibc's argp.

What a table of options does not know is never guessed: the word behind such an option may be its value or not, and
is kept apart as `doubtful`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FLAG, VALUE, OPTIONAL = range(3)
"""An option without a value; with one, in its word or in the next; with one in its own word only."""


class Grammar(NamedTuple):
    """A program's options. `stops`: at the first word that is no option, as Go's programs, nsenter and nspawn do.

    `options` are all names with their dashes. `clusters`: `-ab` is `-a -b`, and `--fo` may stand for `--foo` (getopt);
    without, `-foo` is `--foo` (Go).
    """

    options: Mapping[bytes, int]
    stops: bool = True
    clusters: bool = True


class Parsed(NamedTuple):
    """`options` by name as they came, with their values; `words` are no options.

    `doubtful` are words behind an option that the table does not know: its value, or the first of `words`.
    `unknown`: there was such an option.
    """

    options: tuple[tuple[bytes, bytes | None], ...] = ()
    words: tuple[bytes, ...] = ()
    doubtful: tuple[bytes, ...] = ()
    unknown: bool = False

    def values(self, *names: bytes) -> list[bytes]:
        """What was given for these options, in order."""
        return [value for name, value in self.options if name in names and value is not None]

    def value(self, *names: bytes) -> bytes:
        """What was given last, b"" for nothing."""
        return next(reversed(self.values(*names)), b"")

    def has(self, *names: bytes) -> bool:
        """Whether one of these options was given."""
        return any(name in names for name, _ in self.options)


def table(*, flags: str = "", values: str = "", optional: str = "") -> dict[bytes, int]:
    """A table of options, from names with dashes between blanks."""
    kinds = ((flags, FLAG), (values, VALUE), (optional, OPTIONAL))
    return {name.encode(): kind for names, kind in kinds for name in names.split()}


def parse(args: Sequence[bytes], grammar: Grammar) -> Parsed:
    """Read the words behind the program's name."""
    options: list[tuple[bytes, bytes | None]] = []
    words: list[bytes] = []
    doubtful: list[bytes] = []
    unknown = False
    at = 0
    while at < len(args):
        word = args[at]
        at += 1
        if word == b"--":
            words += args[at:]
            break
        if word[:1] != b"-" or len(word) == 1:
            words.append(word)
            if grammar.stops:
                words += args[at:]
                break
            continue
        for name, value, kind in _options(word, grammar):
            if kind is None:
                unknown = True
                if value is None and at < len(args) and args[at][:1] != b"-":
                    doubtful.append(args[at])
                    at += 1
            elif kind == VALUE and value is None:
                options.append((name, args[at] if at < len(args) else b""))
                at += 1
            else:
                options.append((name, value))
    return Parsed(tuple(options), tuple(words), tuple(doubtful), unknown)


def _options(word: bytes, grammar: Grammar) -> Iterator[tuple[bytes, bytes | None, int | None]]:
    """The options in one word, with the value that stands in it; the kind is None for one that is not known."""
    if word[:2] == b"--" or not grammar.clusters:
        name, equals, value = word.partition(b"=")
        name, kind = _named(name, grammar)
        yield name, value if equals else None, kind
        return
    for at in range(1, len(word)):
        name = b"-" + word[at : at + 1]
        kind, rest = grammar.options.get(name), word[at + 1 :]
        if kind == FLAG:
            yield name, None, kind
            continue
        yield name, rest or None, kind
        return


def _named(name: bytes, grammar: Grammar) -> tuple[bytes, int | None]:
    """An option by its name as it was written: in full, or shortened as far as it is the only one."""
    if not grammar.clusters:
        bare = name.lstrip(b"-")
        for full in (b"--" + bare, b"-" + bare):
            if full in grammar.options:
                return full, grammar.options[full]
        return name, None
    if name in grammar.options:
        return name, grammar.options[name]
    longer = [full for full in grammar.options if full[:2] == b"--" and full.startswith(name)]
    return (longer[0], grammar.options[longer[0]]) if len(longer) == 1 else (name, None)
