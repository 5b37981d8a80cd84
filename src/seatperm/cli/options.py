"""The options that every command has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from . import completion
from .settings import Settings, variable

P = ParamSpec("P")
R = TypeVar("R")


FORMATS = ("table", "json", "csv")
"""How every command prints."""


def formatted(command: Callable[Concatenate[Settings, P], R], formats: Sequence[str] = FORMATS) -> Callable[P, R]:
    """Give a command `--format`, and the settings as its first argument."""
    option = click.option(
        "--format",
        type=click.Choice(formats),
        default="table",
        show_default=True,
        expose_value=False,
        callback=_remember,
        help="How to print the answer.",
    )
    return option(_with_settings(command))


def common(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give a command the options that open an organization, and the settings as its first argument."""
    return _opening(formatted(command))


def common_or_lines(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give a command the same, and JSON lines for a format."""
    return _opening(formatted(command, [*FORMATS, "jsonl"]))


def stored(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give a command the same but the catalog, which it is told as an argument."""
    return _opening(formatted(command), catalog=False)


def _opening(command: Callable[P, R], *, catalog: bool = True) -> Callable[P, R]:
    options = [
        click.option(
            "--catalog",
            metavar="FILE",
            envvar=variable("catalog"),
            show_envvar=True,
            type=click.Path(),
            expose_value=False,
            callback=_remember,
            help="The catalog, TOML or JSON.",
        ),
        click.option(
            "--store",
            metavar="URL|PATH",
            envvar=variable("store"),
            show_envvar=True,
            type=click.Path(),
            expose_value=False,
            callback=_remember,
            help="The store: its URL, or the path of a SQLite file.",
        ),
        click.option(
            "--organization",
            metavar="ID",
            envvar=variable("organization"),
            show_envvar=True,
            expose_value=False,
            callback=_remember,
            shell_complete=completion.organizations,
            help="The organization, where the store has several.",
        ),
        click.option(
            "--orphans",
            type=click.Choice(["refuse", "keep"]),
            default="refuse",
            show_default=True,
            expose_value=False,
            callback=_remember,
            help="What to do with names in the store that the catalog does not have.",
        ),
    ]
    for option in reversed(options if catalog else options[1:]):
        command = option(command)
    return command


def seats(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command the option that says where seats are kept."""
    return click.option(
        "--session-store",
        metavar="URL|PATH",
        envvar=variable("session_store"),
        show_envvar=True,
        type=click.Path(),
        expose_value=False,
        callback=_remember,
        help="Where seats are kept; the same store unless said.",
    )(command)


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    settings = context.ensure_object(Settings)
    name = parameter.name or ""
    said = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    # A default or a variable says nothing that an option before the subcommand has not said already.
    if said or (value is not None and getattr(settings, name) == getattr(Settings(), name)):
        setattr(settings, name, value)


def _with_settings(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    @functools.wraps(command)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        return command(click.get_current_context().ensure_object(Settings), *args, **kwargs)

    return called
