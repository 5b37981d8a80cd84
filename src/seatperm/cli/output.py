"""What commands print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Literal

import click
from attrs import frozen

Format = Literal["table", "json", "csv", "jsonl"]

Row = Mapping[str, object]
"""One thing that is listed, as JSON values."""

GAP = 2
"""Spaces between two columns."""

NARROWEST = 6
"""What a column keeps when there is no room."""

PARAGRAPH = 80
"""How wide sentences run at the most."""


@frozen
class Column:
    """A column of a table.

    Attributes:
        title: what stands above it.
        show: what it shows of a row: the row's value of this name, or what a function makes of the row.
        lines: how many lines a cell takes at the most; a longer one ends in "...".
        color: the color of a row's cell, None for the terminal's own.
        whole: whether cells stay on one line while other columns have words to break between.
    """

    title: str
    show: str | Callable[[Row], str]
    lines: int | None = None
    color: Callable[[Row], str | None] | None = None
    whole: bool = False

    def cell(self, row: Row) -> str:
        """Return the text of a row's cell."""
        text = plain(row[self.show]) if isinstance(self.show, str) else self.show(row)
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@frozen
class Listing:
    """How one kind of thing is listed.

    Attributes:
        fields: the values of a row that CSV has, in this order.
        columns: what a table has.
    """

    fields: Sequence[str]
    columns: Sequence[Column]

    def write(self, format: Format, rows: Iterable[Row]) -> None:
        """Print any number of rows."""
        if format == "json":
            write_array(rows)
        elif format == "jsonl":
            for row in rows:
                click.echo(json.dumps(row))
        elif format == "csv":
            write_csv(self.fields, rows)
        else:
            write_table(self.columns, rows)

    def write_one(self, format: Format, row: Row) -> None:
        """Print one row: in JSON an object by itself."""
        if format == "json":
            write_json(row)
        else:
            self.write(format, [row])


def timestamp(at: datetime | None) -> str | None:
    """Return a time as programs read it: ISO 8601 in UTC; None for None."""
    return None if at is None else at.astimezone(UTC).isoformat()


def plain(value: object) -> str:
    """Return a value as one text: nothing for None, "yes" or "no", and what a list holds with semicolons between."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(plain(item) for item in value)
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def write_json(value: object) -> None:
    """Print one JSON value, in ASCII, so that it is the same whatever the terminal's encoding."""
    click.echo(json.dumps(value, indent=2))


def write_array(rows: Iterable[Row]) -> None:
    """Print a JSON array, an element at a time."""
    before = "[\n  "
    for row in rows:
        click.echo(before + json.dumps(row, indent=2).replace("\n", "\n  "), nl=False)
        before = ",\n  "
    click.echo("[]" if before.startswith("[") else "\n]")


def write_object(head: Row, name: str, rows: Iterable[Row]) -> None:
    """Print a JSON object whose last value is an array, an element at a time."""
    begun = json.dumps(head, indent=2).removesuffix("\n}")
    click.echo(f'{begun},\n  "{name}": [', nl=False)
    before = "\n    "
    for row in rows:
        click.echo(before + json.dumps(row, indent=2).replace("\n", "\n    "), nl=False)
        before = ",\n    "
    click.echo("]\n}" if before.startswith("\n") else "\n  ]\n}")


def write_csv(fields: Sequence[str], rows: Iterable[Row]) -> None:
    """Print CSV with a header row."""
    writer = csv.writer(_Echo())
    writer.writerow(fields)
    writer.writerows([plain(row[name]) for name in fields] for row in rows)


def write_table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print a table that fits the terminal, 80 columns where there is none."""
    for line in table(columns, rows, terminal_width()):
        click.echo(line)


def write_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and what they stand for, one below the other."""
    listed = list(pairs)
    first = max(width(name) for name, _ in listed)
    for name, text in listed:
        lines = wrap(text, max(NARROWEST, terminal_width() - first - GAP))
        for head, line in zip_longest([name], lines, fillvalue=""):
            click.echo(_line([_cell(head, first, bold=True), line]))


def write_title(title: str) -> None:
    """Print what the table below it is about."""
    click.secho(title, bold=True)


def write_text(text: str) -> None:
    """Print sentences, broken into lines."""
    for line in wrap(text, min(PARAGRAPH, terminal_width())):
        click.echo(line)


def terminal_width() -> int:
    """Return how many columns there are."""
    return shutil.get_terminal_size().columns


def table(columns: Sequence[Column], rows: Iterable[Row], available: int) -> Iterator[str]:
    """Iterate over the lines of a table; cells that are too wide are broken into lines."""
    listed = list(rows)
    if not listed:
        yield "none"
        return
    cells = [[column.cell(row) for column in columns] for row in listed]
    texts_of = [[column.title, *texts] for column, *texts in zip(columns, *cells, strict=True)]
    widths = _fitted(texts_of, [column.whole for column in columns], available)
    heads = [wrap(column.title, wide) for column, wide in zip(columns, widths, strict=True)]
    for pieces in zip_longest(*heads, fillvalue=""):
        yield _line(_cell(piece, wide, bold=True) for piece, wide in zip(pieces, widths, strict=True))
    yield _line("-" * wide for wide in widths)
    for row, texts in zip(listed, cells, strict=True):
        parts = [
            cut(wrap(text, wide), column.lines, wide) for column, text, wide in zip(columns, texts, widths, strict=True)
        ]
        for pieces in zip_longest(*parts, fillvalue=""):
            yield _line(
                _cell(piece, wide, color=column.color and column.color(row))
                for column, piece, wide in zip(columns, pieces, widths, strict=True)
            )


def wrap(text: str, wide: int) -> list[str]:
    """Break a text at its spaces into lines of at most this many terminal columns, and words where they must."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and width(line) + 1 + width(word) <= wide:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while width(word) > wide:
            head = _head(word, wide)
            lines.append(head)
            word = word[len(head) :]
        line = word
    return [*lines, line]


def cut(lines: list[str], most: int | None, wide: int) -> list[str]:
    """Return at most this many of the lines, the last one ending in "..." where some are left out."""
    if most is None or len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and width(last) > wide - 3:
        last = last[:-1]
    return [*lines[: most - 1], last + "..."]


def minute(value: object) -> str:
    """Return a time of a row as people read it, to the minute, in UTC; nothing for none."""
    return "" if value is None else f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M}"


def width(text: str) -> int:
    """Return how many terminal columns a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


class _Echo:
    """What `csv` writes to; with its own line ending it quotes what others would take for one."""

    def write(self, text: str) -> None:
        click.echo(text.removesuffix("\r\n"))


def _fitted(columns: Sequence[Sequence[str]], whole: Sequence[bool], available: int) -> list[int]:
    widths = [max(width(text) for text in texts) for texts in columns]
    words = [
        wide if kept else max((width(word) for text in texts for word in text.split()), default=0)
        for texts, wide, kept in zip(columns, widths, whole, strict=True)
    ]
    room = available - GAP * (len(columns) - 1)
    # First words stay whole; where that is not enough, the widest columns break them.
    for least in (words, [NARROWEST] * len(widths)):
        while sum(widths) > room:
            shrinking = [at for at, wide in enumerate(widths) if wide > least[at]]
            if not shrinking:
                break
            widths[max(shrinking, key=widths.__getitem__)] -= 1
    return widths


def _head(word: str, wide: int) -> str:
    """Return what of a word stands on a line, up to where ids and addresses are best broken."""
    end = 1
    while end < len(word) and width(word[: end + 1]) <= wide:
        end += 1
    best = max(word.rfind(letter, 0, end) for letter in "_.@") + 1
    return word[: best if best > end // 2 else end]


def _line(pieces: Iterable[str]) -> str:
    return (" " * GAP).join(pieces).rstrip()


def _cell(text: str, wide: int, *, bold: bool | None = None, color: str | None = None) -> str:
    styled = click.style(text, bold=bold, fg=color) if text and (bold or color) else text
    return styled + " " * (wide - width(text))
