"""Options of policies from words: ``speed=0.5`` to the field of a dataclass, with its type."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, get_type_hints

from mivla_ros.policies.policy import PolicyError

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def split_options(policy: str, words: Sequence[str]) -> dict[str, str]:
    """``["speed=0.5"]`` to ``{"speed": "0.5"}``; empty words are left out. Raises PolicyError for a word
    without ``=``.
    """
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not word.strip():
            continue
        if not equals:
            raise PolicyError(policy, f"option {word!r} must be written NAME=VALUE", word)
        options[name.strip()] = value.strip()
    return options


def read_options[T](policy: str, kind: type[T], values: Mapping[str, object]) -> T:
    """An options dataclass from names and values, texts turned into the field's type.

    Raises PolicyError naming an option that does not exist (with those that do) or a value that is not of its
    type.
    """
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    arguments = {}
    for name, value in values.items():
        if name not in known:
            raise PolicyError(policy, f"there is no option {name!r}, there are {', '.join(known)}", name)
        arguments[name] = _convert(policy, name, known[name], value)
    return kind(**arguments)


def _convert(policy: str, name: str, kind: Any, value: object) -> Any:  # noqa: ANN401
    text = str(value)
    if kind is bool:
        if text.lower() not in TRUE + FALSE:
            raise PolicyError(policy, f"option {name} is {text!r}, must be true or false", name)
        return text.lower() in TRUE
    if issubclass(kind, Enum):
        choices = {str(member.value): member for member in kind}
        if text not in choices:
            raise PolicyError(policy, f"option {name} is {text!r}, must be one of {', '.join(choices)}", name)
        return choices[text]
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise PolicyError(policy, f"option {name} is {text!r}, must be of type {kind.__name__}", name) from error
