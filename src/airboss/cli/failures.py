"""How a command fails: a text for people, what to do next, and an exit code for scripts."""

from airboss.cli.exit_codes import ExitCode


class CommandError(Exception):
    """An expected failure; `advice` is what to do next, where the text does not say it already."""

    def __init__(self, text: str, code: ExitCode, advice: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.advice = advice


class UsageError(CommandError):
    """What was given cannot be used."""

    def __init__(self, text: str, advice: str = "") -> None:
        super().__init__(text, ExitCode.USAGE, advice)


class UnreachableError(CommandError):
    """There was no answer, or it broke off: it may come another time."""

    def __init__(self, text: str, advice: str = "") -> None:
        super().__init__(text, ExitCode.UNREACHABLE, advice)


class RefusedError(CommandError):
    """The server answered with an error; `status` is HTTP's."""

    def __init__(self, text: str, advice: str, status: int) -> None:
        super().__init__(text, ExitCode.REFUSED, advice)
        self.status = status
