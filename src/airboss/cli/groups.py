"""Groups of commands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from airboss.cli.exit_codes import ExitCode


class PipedGroup(TyperGroup):
    """Ends quietly when whoever reads the output goes away."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        # Where the help is asked for it is written here.
        with _quietly():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _quietly():
            return super().invoke(ctx)


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # The interpreter flushes once more on its way out, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except SystemExit as error:
        # So rich ends where nobody reads the help; commands end with `typer.Exit`.
        if error.code != 1:
            raise
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None


class ListFirstGroup(TyperGroup):
    """Takes `airboss agents` for `airboss agents list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_named = bool(args) and (not args[0].startswith("-") or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if is_named or ctx.resilient_parsing else ["list", *args])
