"""Frozen dataclasses to JSON and back, strictly: nothing missing, nothing unknown, every value of its type."""

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from mivla_ros.model.errors import ModelError


def to_json(value: object) -> Any:  # noqa: ANN401
    """Dataclasses, tuples, enums and mappings as what ``json.dumps`` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key.value if isinstance(key, Enum) else key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def dump(value: object) -> str:
    """JSON text of a dataclass, the same for the same content. Raises ValueError for NaN and infinity."""
    return json.dumps(to_json(value), indent=2, allow_nan=False) + "\n"


def from_json[T](kind: type[T], data: object, source: str, error: type[ModelError] = ModelError) -> T:
    """A dataclass from what ``json.loads`` gave. Raises ``error`` naming ``source``, the dotted key and the fault."""
    return cast(T, _read(kind, data, source, "", error))


def _read(kind: Any, data: object, source: str, key: str, error: type[ModelError]) -> Any:  # noqa: ANN401
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, data, source, key, error)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in inner:
            return None
        return _read(next(k for k in inner if k is not type(None)), data, source, key, error)
    if origin is tuple:
        if not isinstance(data, list):
            raise _wrong(source, key, data, "a list", error)
        kinds = [inner[0]] * len(data) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
        if len(kinds) != len(data):
            raise _wrong(source, key, data, f"a list of {len(kinds)}", error)
        return tuple(
            _read(k, v, source, f"{key}[{i}]", error) for i, (k, v) in enumerate(zip(kinds, data, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise _wrong(source, key, data, "a mapping", error)
        return {
            _read(inner[0], k, source, f"{key}.{k}", error): _read(inner[1], v, source, f"{key}.{k}", error)
            for k, v in data.items()
        }
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            raise _wrong(source, key, data, f"one of {', '.join(str(k.value) for k in kind)}", error) from None
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    if kind in (str, int, bool) and type(data) is kind:
        return data
    raise _wrong(source, key, data, f"of type {getattr(kind, '__name__', kind)}", error)


def _read_fields(kind: type, data: object, source: str, key: str, error: type[ModelError]) -> object:
    if not isinstance(data, dict):
        raise _wrong(source, key or "the whole", data, "a mapping", error)
    hints, prefix = get_type_hints(kind), f"{key}." if key else ""
    names = [field.name for field in fields(kind)]
    for name in names:
        if name not in data:
            raise error(f"{source}: {prefix}{name} is missing", prefix + name)
    for name in data:
        if name not in names:
            raise error(f"{source}: {prefix}{name} is not a known key", prefix + str(name))
    return kind(**{name: _read(hints[name], data[name], source, prefix + name, error) for name in names})


def _wrong(source: str, key: str, data: object, wanted: str, error: type[ModelError]) -> ModelError:
    text = repr(data)
    return error(f"{source}: {key} is {text if len(text) < 80 else text[:77] + '...'}, must be {wanted}", key)
