"""The line of everything in a TOML document is found, whatever form it is written in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from seatperm.loading.toml_lines import Path, lines, repeats

DOCUMENT = '''\
# a comment with [brackets] and = "quotes"
top = 1

[a]
"quoted.key" = 'x # no comment'
'literal "key"' = 2   # a comment
b.c . "d" = [ 1, 2 ]
text = """
[not.a.table]
key = "no"
\\""" still "" text"""""
after = { x = 1, y.z = "}", w = { v = [ "]" ] } }
list = [
  "one", # first
  # between
  { deep = [
      '\\', "\\"",
    ] },
  1979-05-27 07:32:00,
]
more = ~~~a
''b''~~~

[ "sp aced" . e ]
k = "\\u0041\\n"
"\\u0041\\"" = 1
[[rows]]
n = 1
[rows.inner]
m = 1
[[rows]]
[[rows.more]]
[[rows.more]]
[a.late]
'''.replace("~~~", "'''")

EXPECTED: dict[Path, int] = {
    ("top",): 2,
    ("a",): 4,
    ("a", "quoted.key"): 5,
    ("a", 'literal "key"'): 6,
    ("a", "b"): 7,
    ("a", "b", "c"): 7,
    ("a", "b", "c", "d"): 7,
    ("a", "b", "c", "d", 0): 7,
    ("a", "b", "c", "d", 1): 7,
    ("a", "text"): 8,
    ("a", "after"): 12,
    ("a", "after", "x"): 12,
    ("a", "after", "y"): 12,
    ("a", "after", "y", "z"): 12,
    ("a", "after", "w"): 12,
    ("a", "after", "w", "v"): 12,
    ("a", "after", "w", "v", 0): 12,
    ("a", "list"): 13,
    ("a", "list", 0): 14,
    ("a", "list", 1): 16,
    ("a", "list", 1, "deep"): 16,
    ("a", "list", 1, "deep", 0): 17,
    ("a", "list", 1, "deep", 1): 17,
    ("a", "list", 2): 19,
    ("a", "more"): 21,
    ("sp aced",): 24,
    ("sp aced", "e"): 24,
    ("sp aced", "e", "k"): 25,
    ("sp aced", "e", 'A"'): 26,
    ("rows",): 27,
    ("rows", 0): 27,
    ("rows", 0, "n"): 28,
    ("rows", 0, "inner"): 29,
    ("rows", 0, "inner", "m"): 30,
    ("rows", 1): 31,
    ("rows", 1, "more"): 32,
    ("rows", 1, "more", 0): 32,
    ("rows", 1, "more", 1): 33,
    ("a", "late"): 34,
}


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Iterate over every place of a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def test_every_form_of_the_language_is_followed() -> None:
    """Quoted and dotted keys, inline tables, arrays over lines, texts over lines, tables of arrays."""
    assert set(places(tomllib.loads(DOCUMENT))) == set(EXPECTED)
    assert lines(DOCUMENT) == EXPECTED
    assert lines(DOCUMENT.replace("\n", "\r\n")) == EXPECTED
    assert repeats(DOCUMENT) == []


def test_a_table_stands_at_its_own_header() -> None:
    """Even where the headers of tables below it come first."""
    assert lines("[a.b]\n[a]\n") == {("a",): 2, ("a", "b"): 1}


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("a = 1\nb = 2\na = 3\n", [(("a",), 3, 1)]),
        ("[a]\n[b]\n[a]\n[b]\n", [(("a",), 3, 1), (("b",), 4, 2)]),
        ("a = { b = 1,\n b = 2 }\n", [(("a", "b"), 2, 1)]),
        ("[a]\nb = 1\n[a.b]\n", [(("a", "b"), 3, 2)]),
        ("[a.b]\n[a]\nc = 1\n[[d]]\n[[d]]\nc.x = 1\nc.y = 2\n", []),
    ],
)
def test_what_stands_twice_is_found(text: str, twice: list[tuple[Path, int, int]]) -> None:
    """With the line of the second and of the first."""
    assert repeats(text) == twice


BROKEN = ["a = [1\nb", "a = {", "a", "a = ", "= 1", "[a", "[", "[[a]", 'a = "', "a = 'x\n", 'a."b = 1', "a = [[[", "\0"]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_text_ends_the_search_quietly(text: str) -> None:
    """What comes before it is found."""
    found = lines(f"first = 1\n[second]\n{text}")
    assert found[("first",)] == 1
    assert found[("second",)] == 2


@define
class Writer:
    """Writes a document in forms drawn at random, and keeps the line of everything in it."""

    data: st.DataObject
    text: str = ""
    lines: dict[Path, int] = field(factory=dict)

    def table(self, path: Path, content: dict[str, object]) -> None:
        tables = [key for key in content if isinstance(content[key], dict) and self.data.draw(st.booleans())]
        for key in content:
            if key not in tables:
                self.note((*path, key))
                self.text += f"{self.key(key)} = "
                self.value((*path, key), content[key])
                self.text += self.data.draw(st.sampled_from(["\n", " # = [\n", "\n\n"]))
        for key in tables:
            self.note((*path, key))
            self.text += f"[{'.'.join(self.key(str(part)) for part in (*path, key))}]\n"
            inner = content[key]
            assert isinstance(inner, dict)
            self.table((*path, key), inner)

    def note(self, path: Path) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def key(self, key: str) -> str:
        if key.isascii() and key.isalnum() and self.data.draw(st.booleans()):
            return key
        return '"' + "".join(f"\\u{ord(character):04x}" for character in key) + '"'

    def value(self, path: Path, value: object) -> None:
        if isinstance(value, dict):
            self.text += "{ "
            for i, (key, item) in enumerate(value.items()):
                self.text += ", " if i else ""
                self.note((*path, key))
                self.text += f"{self.key(key)} = "
                self.value((*path, key), item)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for i, item in enumerate(value):
                self.text += self.data.draw(st.sampled_from(["", "\n  ", " # ]\n"]))
                self.note((*path, i))
                self.value((*path, i), item)
                self.text += ","
            self.text += "\n]" if value else "]"
        else:
            self.text += str(value)


TEXTS = ['"a"', "'#'", '"\\""', '"""\n"x"\n"""', "'''\n]'\n'''", '""""quoted"""""', '""', "''"]
ATOMS = st.sampled_from(["1", "true", "1979-05-27", "-1.5e3", *TEXTS])
KEYS = st.text("ab.\"'\\] =#\n", max_size=3)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
    ),
    max_size=4,
)


@given(DOCUMENTS, st.data())
def test_whatever_form_a_document_has_its_lines_are_found(content: dict[str, object], data: st.DataObject) -> None:
    """As kept by who wrote it, for exactly the places that the standard parser knows."""
    writer = Writer(data)
    writer.table((), content)
    assert set(writer.lines) == set(places(tomllib.loads(writer.text)))
    assert lines(writer.text) == writer.lines
    assert repeats(writer.text) == []


@given(st.text("[]{}\"'=.,#\\ab1\n ", max_size=40))
def test_whatever_the_text_the_search_ends(text: str) -> None:
    """Valid or not; and every line is one of the text's."""
    assert all(1 <= line <= text.count("\n") + 1 for line in lines(text).values())
