"""Checking a call's arguments against a JSON Schema that nobody here wrote.

Importing it loads jsonschema, which takes 75 ms: only the agent loop does.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]  # it ships no types
from referencing import Registry

from airboss.ports.tools import ToolError

#: Keywords looked at for one call. A schema may refer to itself and branch: its cost has no bound of its own.
#: At 4 µs each, this is 40 ms of the event loop.
MAX_STEPS = 10_000
_MAX_PROBLEMS = 5
_MAX_MESSAGE_CHARACTERS = 300
#: Regular expressions of others may take for ever, and so may these: the server itself checks them.
_LEFT_TO_THE_SERVER = (
    "pattern",
    "patternProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
)

Keyword = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
_steps_left: ContextVar[int] = ContextVar("steps_left")


class _TooMuchError(Exception):
    """The check has taken all its steps."""


class ArgumentCheck:
    """Checks arguments within bounds; nothing is fetched, so a `$ref` to elsewhere cannot be followed."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raise `ToolError` for arguments that do not fit, and for a schema that cannot be used."""
        _steps_left.set(MAX_STEPS)
        try:
            validator = _bounded(validators.validator_for(self._schema, default=Draft202012Validator))
            found = validator(self._schema, registry=Registry()).iter_errors(dict(arguments))
            problems = [_told(error) for error in islice(found, _MAX_PROBLEMS)]
        except _TooMuchError:
            text = "the arguments are too large to be checked: send less in one call"
            raise ToolError("invalid_arguments", text) from None
        except Exception as error:  # noqa: BLE001 - whatever a schema of others makes of its checker
            text = f"the tool's schema cannot be used ({type(error).__name__}), so the call was not made"
            raise ToolError("unusable_schema", text) from None
        if problems:
            raise ToolError("invalid_arguments", "the arguments do not fit: " + "; ".join(problems))


@cache
def _bounded(validator: Any) -> Any:
    """Return a validator that counts its steps and leaves out what has no bound."""
    keywords = {name: _counted(check) for name, check in validator.VALIDATORS.items()}
    keywords |= dict.fromkeys(_LEFT_TO_THE_SERVER, _unchecked)
    keywords["additionalProperties"] = _additional_properties(keywords["additionalProperties"])
    return validators.extend(validator, keywords)


def _counted(check: Keyword) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        left = _steps_left.get() - 1
        if left < 0:
            raise _TooMuchError
        _steps_left.set(left)
        yield from check(validator, value, instance, schema) or ()

    return counted


def _unchecked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    return iter(())


def _additional_properties(check: Keyword) -> Keyword:
    def checked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        # Which properties are additional depends on the patterns.
        if "patternProperties" not in schema:
            yield from check(validator, value, instance, schema) or ()

    return checked


def _told(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "arguments"
    return f"{place[:_MAX_MESSAGE_CHARACTERS]}: {error.message[:_MAX_MESSAGE_CHARACTERS]}"
