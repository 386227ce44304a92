"""Nouns as plain data and back, by their fields and type hints alone.

A new noun, or a new field of one, needs no code here. What is read may be of another version, or damaged, or made up:
a field that is not known is ignored, one that is missing has its default, and all else that does not fit is one
`FormatError`. Whether what it says is true, or even possible, is not looked at.
"""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NewType, Protocol, Union, get_args, get_origin, get_type_hints

from annotator.core.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEPTH = 64
"""Nouns within nouns; containers nest at most 16 deep."""

_MIN, _MAX = -(2**63), 2**64 - 1
_WIDE = re.compile(r"-?[0-9]{19,40}")
"""msgpack has no integers beyond 64 bits: one that a record claims (20 digits may be more) is kept as its digits."""

_AS_IT_IS = frozenset((bool, float, str, bytes))
"""Types of values that need no look at them."""

_NEEDED = object()


class References(Protocol):
    """Objects that many others refer to: in their place stands their number."""

    def number(self, value: object) -> int | None:
        """The number of an object; None for one of a class whose objects are written where they are."""
        ...

    def pick(self, cls: type, number: int) -> object:
        """The object of this class and number. Raises FormatError when there is none."""
        ...

    def __contains__(self, cls: object) -> bool:
        """Whether the objects of this class have numbers."""
        ...


class Nouns:
    """NamedTuples and dataclasses, by kind, as maps of those of their fields that have not their default.

    `names` are what the hints mean where a module imports them only for type checking. A dataclass's field with the
    metadata `model.NOT_SAVED` is left out.
    """

    __slots__ = ("_fields", "_kinds", "_names", "_references", "_types")

    def __init__(self, types: Mapping[str, type], names: Mapping[str, Any]) -> None:
        self._types = dict(types)
        self._kinds = {cls: kind for kind, cls in types.items()}
        self._names = dict(names)
        self._fields: dict[type, tuple[tuple[str, Any, Any], ...]] = {}
        self._references: References | None = None

    def referring(self, references: References) -> Nouns:
        """The same, with numbers in place of the objects of `references`, but for the outermost."""
        other = Nouns(self._types, self._names)
        other._fields, other._references = self._fields, references
        return other

    def plain(self, noun: object) -> tuple[str, dict[str, Any]]:
        """The kind and the fields. Raises FormatError for nouns nested without end."""
        return self._kinds[type(noun)], self._map(noun, 0)

    def restore(self, kind: str, body: Mapping[str, Any]) -> Any:
        """The noun. Raises FormatError for an unknown kind or a body that does not fit it."""
        cls = self._types.get(kind)
        if cls is None:
            raise FormatError(f"kind {kind[:64]!r} is not known")
        return self._noun(cls, body, 0)

    def fill(self, noun: object, body: Mapping[str, Any]) -> None:
        """Set the fields of a dataclass's object that was made empty. Raises FormatError for a body that does not fit.

        A field that is missing has the class's default, or FormatError where there is none.
        """
        for name, hint, default in self._shape(type(noun)):
            if name in body:
                setattr(noun, name, self._value(hint, body[name], 0))
            elif default is _NEEDED:
                raise FormatError(f"no {type(noun).__name__}: {name} is missing")

    def _shape(self, cls: type) -> tuple[tuple[str, Any, Any], ...]:
        """Name, type and default of each field; a default is never changed by anyone, so one will do."""
        known = self._fields.get(cls)
        if known is None:
            hints = get_type_hints(cls, localns=self._names)
            if dataclasses.is_dataclass(cls):
                defaults = {
                    one.name: _default(one) for one in dataclasses.fields(cls) if one.metadata.get("saved", True)
                }
            else:
                defaults = {name: cls._field_defaults.get(name, _NEEDED) for name in cls._fields}  # type: ignore[attr-defined]
            known = self._fields[cls] = tuple((name, hints[name], value) for name, value in defaults.items())
        return known

    def _map(self, noun: object, depth: int) -> dict[str, Any]:
        if depth > _DEPTH:
            raise FormatError(f"{type(noun).__name__} is nested more than {_DEPTH} deep")
        found: dict[str, Any] = {}
        for name, _, default in self._shape(type(noun)):
            value = getattr(noun, name)
            if value != default:
                found[name] = value if type(value) in _AS_IT_IS else self._plain(value, depth + 1)
        return found

    def _plain(self, value: Any, depth: int) -> Any:
        if type(value) is int:
            return value if _MIN <= value <= _MAX else str(value)
        if isinstance(value, Enum):
            return value.value
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        if self._references is not None and (number := self._references.number(value)) is not None:
            return number
        if hasattr(value, "_fields") or dataclasses.is_dataclass(value):
            return self._map(value, depth)
        if isinstance(value, dict):
            return {key: self._plain(inner, depth + 1) for key, inner in value.items()}
        return [self._plain(inner, depth + 1) for inner in value]

    def _noun(self, cls: type, body: Any, depth: int) -> Any:
        if not isinstance(body, dict) or depth > _DEPTH:
            raise FormatError(f"no {cls.__name__}")
        found = {name: self._value(hint, body[name], depth) for name, hint, _ in self._shape(cls) if name in body}
        try:
            return cls(**found)
        except TypeError as err:  # a field without default is missing
            raise FormatError(f"no {cls.__name__}: {err}") from err

    def _value(self, hint: Any, value: Any, depth: int) -> Any:
        """`value` as what `hint` says, or FormatError."""
        hint = hint.__supertype__ if isinstance(hint, NewType) else hint
        origin, args = get_origin(hint), get_args(hint)
        if origin in (Union, UnionType):
            return self._optional(args, value, depth)
        if origin is tuple and isinstance(value, list):
            kinds = (args[0],) * len(value) if args[-1] is Ellipsis else args
            if len(kinds) == len(value):
                return tuple(self._value(kind, inner, depth + 1) for kind, inner in zip(kinds, value, strict=True))
        elif origin is list and isinstance(value, list):
            return [self._value(args[0], inner, depth + 1) for inner in value]
        elif origin is dict and isinstance(value, dict):
            return {self._value(args[0], k, depth): self._value(args[1], v, depth + 1) for k, v in value.items()}
        elif hint in (bool, int, float, str, bytes) and type(value) is hint:
            return value
        elif hint is int and type(value) is str and _WIDE.fullmatch(value):
            return int(value)
        elif isinstance(hint, type) and issubclass(hint, Enum):
            return _member(hint, value)
        elif self._references is not None and hint in self._references and type(value) is int:
            return self._references.pick(hint, value)
        elif isinstance(hint, type) and (hasattr(hint, "_fields") or dataclasses.is_dataclass(hint)):
            return self._noun(hint, value, depth + 1)
        raise FormatError(f"{type(value).__name__} where {hint} is due")

    def _optional(self, args: tuple[Any, ...], value: Any, depth: int) -> Any:
        """One of several types, None among them as a rule."""
        if value is None and NoneType in args:
            return None
        kept = FormatError("no type fits")
        for arg in args:
            if arg is not NoneType:
                try:
                    return self._value(arg, value, depth)
                except FormatError as err:
                    kept = err
        raise kept


def kind_of(cls: type) -> str:
    """`EngineCommand` is kind `engine-command`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


def _default(one: dataclasses.Field[Any]) -> Any:
    if one.default is not dataclasses.MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not dataclasses.MISSING else _NEEDED


def _member(kind: type[Enum], value: Any) -> Enum:
    """A member of an enumeration, or bits of a flag; another version may have more of them."""
    try:
        if type(value) is str or (type(value) is int and value >= 0):
            return kind(value)
    except ValueError as err:
        raise FormatError(f"{kind.__name__} has no {value!r:.64}") from err
    raise FormatError(f"{type(value).__name__} where {kind.__name__} is due")
