"""The group that all commands hang on: what every command does with errors, colors and pipes."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

from ..errors import SeatpermError
from .wording import told

BAD_INPUT = 2
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13

WHOLE = 500
"""More characters than any first sentence has."""


class BadInput(click.ClickException):
    """What one of our errors says, printed as one block."""

    exit_code = BAD_INPUT


class Commands(click.Group):
    """A group whose help tells what each command does in whole sentences."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the commands."""
        rows = [(name, self.commands[name].get_short_help_str(WHOLE)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Tree(Commands):
    """A group whose commands end with a code that scripts can use, and never in a traceback.

    0 is yes, 1 is no, 2 is bad input.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A name that the terminal's encoding does not have must not end the listing that it stands in.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except SeatpermError as error:
            raise BadInput(told(error)) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(BROKEN_PIPE)
