"""Dataclasses as the plain data that JSON has, and back."""

import functools
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def plain(value: Any) -> Any:
    """Dataclasses, tuples and dicts as what JSON has; numbers that are not finite become "inf", "-inf" and "nan"."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        are_finite = set(map(type, value)) == {float} and math.isfinite(sum(value))
        return list(value) if are_finite else [plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


@functools.cache
def reader(kind: Any) -> Callable[[Any], Any]:
    """What makes of a value read from JSON what the type hint `kind` says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        read = reader(next(item for item in arguments if item is not NoneType))
        return lambda value: None if value is None else read(value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        readers = {item.name: reader(hints[item.name]) for item in fields(kind)}
        return lambda value: kind(**{name: read(value[name]) for name, read in readers.items() if name in value})
    if origin is tuple:
        read = reader(arguments[0])
        return lambda value: tuple(map(read, value))
    if origin is dict:
        read = reader(arguments[1])
        return lambda value: {key: read(item) for key, item in value.items()}
    return float if kind is float else lambda value: value
