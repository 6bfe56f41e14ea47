"""Groups of commands."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from airboss.cli.exit_codes import ExitCode


class PipedGroup(TyperGroup):
    """Ends quietly when whoever reads the output goes away."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The interpreter flushes once more on its way out, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.BROKEN_PIPE) from None


class ListFirstGroup(TyperGroup):
    """Takes `airboss agents` for `airboss agents list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_named = bool(args) and (not args[0].startswith("-") or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if is_named or ctx.resilient_parsing else ["list", *args])
