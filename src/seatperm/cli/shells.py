"""`seatperm completion`: the script that lets a shell complete."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete.

    It completes commands, options, names of the catalog and ids of the store.

    In ~/.bashrc: eval "$(seatperm completion bash)"
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}.")
    click.echo(found(context.find_root().command, {}, "seatperm", "_SEATPERM_COMPLETE").source())
