"""Wrong usage, told as every other failure is: what is wrong, and where to look."""

from typing import Any

from typer import TyperException

from airboss.cli.exit_codes import ExitCode
from airboss.cli.failures import CommandError
from airboss.domain.nearest_name import nearest_name
from airboss.domain.value_words import value_words

_USAGE = 2


def as_failure(error: TyperException) -> CommandError:
    """Return what was found wrong with the words of a command, in ours where the library's are its own."""
    context: Any = getattr(error, "ctx", None)
    advice = "" if context is None else f"see '{context.command_path} --help'"
    return CommandError(
        _text(error), ExitCode.USAGE if error.exit_code == _USAGE else ExitCode.FAILURE, advice
    )


def _text(error: TyperException) -> str:
    if (words := _value_words(error)) is not None:
        error.message = words
    option, possibilities = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if possibilities:
        near = nearest_name(str(option), possibilities)
        return f"No such option: {option}" + ("" if near is None else f". Did you mean '{near}'?")
    return error.format_message()


def _value_words(error: TyperException) -> str | None:
    """Look at what the validator found, of which the error has only the text."""
    found = getattr(error.__cause__, "errors", None)
    if found is None:
        return None
    first = found()[0]
    return value_words(first["type"], first.get("ctx", {}))
