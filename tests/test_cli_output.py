"""What is printed: tables that fit, JSON that parses, CSV with a header."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stdout

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatperm.cli.output import Column, Listing, plain, table, timestamp, width, wrap, write_array, write_csv
from seatperm.cli.tree import Tree

COLUMNS = (Column("Id", "id"), Column("What it is called", "name"), Column("Notes", "notes", lines=2))
LISTING = Listing(("id", "name", "notes"), COLUMNS)

text = st.text(st.characters(codec="utf-8"), max_size=60)
rows = st.lists(st.fixed_dictionaries({"id": text, "name": text, "notes": text}), max_size=5)


@given(rows, st.integers(30, 200))
def test_a_table_fits_whatever_is_in_it(rows: list[dict[str, str]], wide: int) -> None:
    """No line is wider than there is room, in terminal columns, and nothing in a cell moves the cursor."""
    lines = [click.unstyle(line) for line in table(COLUMNS, rows, wide)]
    assert all(width(line) <= wide for line in lines)
    assert all(line.isprintable() for line in lines)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=200),
    st.integers(2, 40),
)
def test_breaking_lines_loses_nothing(words: str, wide: int) -> None:
    """But spaces at the breaks."""
    lines = wrap(words, wide)
    assert "".join("".join(lines).split()) == "".join(words.split())
    assert all(width(line) <= wide for line in lines)


def test_words_stay_whole_while_there_is_room() -> None:
    """Then names are broken where they are joined."""
    row = {"id": "organization_admin", "name": "Mere Tāne", "notes": ""}
    assert [line.rstrip() for line in table(COLUMNS, [row], 80)][-1] == "organization_admin  Mere Tāne"
    broken = [click.unstyle(line) for line in table(COLUMNS, [row], 30)]
    assert broken[-2].startswith("organization_ ")
    assert broken[-1].startswith("admin")


def test_wide_letters_keep_columns_in_line() -> None:
    """A Chinese letter takes two columns, a combining mark none."""
    assert width("王小明") == 6
    assert width(unicodedata.normalize("NFD", "ā")) == 1
    lines = [
        click.unstyle(line) for line in table(COLUMNS[:2], [{"id": "王", "name": "x"}, {"id": "ab", "name": "y"}], 80)
    ]
    assert [width(line.partition(last)[0]) for line, last in zip(lines[2:], "xy", strict=True)] == [4, 4]


def test_a_long_cell_says_that_more_was_left_out() -> None:
    """By three dots, after as many lines as its column has."""
    row = {"id": "x", "name": "y", "notes": "word " * 100}
    lines = list(table(COLUMNS, [row], 60))
    assert len(lines) == 4
    assert lines[-1].endswith("...")


def test_an_empty_table_says_so() -> None:
    """Rather than showing a head without a body."""
    assert list(table(COLUMNS, [], 80)) == ["none"]


def capture(write: Callable[[], None]) -> str:
    """Return what is printed."""
    printed = io.StringIO(newline="")
    with redirect_stdout(printed):
        write()
    return printed.getvalue()


@given(rows)
def test_json_is_an_array_of_the_rows(rows: list[dict[str, str]]) -> None:
    """Written one at a time, and pure ASCII."""
    printed = capture(lambda: write_array(rows))
    assert json.loads(printed) == rows
    assert printed.isascii()


@given(rows)
def test_csv_reads_back(rows: list[dict[str, str]]) -> None:
    """With the header first."""
    printed = capture(lambda: write_csv(LISTING.fields, rows))
    assert list(csv.DictReader(io.StringIO(printed, newline=""))) == rows


def test_values_are_one_text_each() -> None:
    """None is empty, truth is a word, lists have semicolons between."""
    values: list[object] = [None, True, False, 3, "x", ["a", "b"], {"a": 1}]
    assert [plain(value) for value in values] == ["", "yes", "no", "3", "x", "a; b", '{"a": 1}']
    assert timestamp(None) is None


def test_an_interrupt_is_no_answer() -> None:
    """Ctrl-C ends with what shells expect of it, not with the code of a no."""

    @click.group(cls=Tree)
    def tree() -> None:
        """Hang."""

    @tree.command()
    def hang() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        tree(["hang"])
    assert ended.value.code == 130
