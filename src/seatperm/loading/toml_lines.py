"""Lines: where each value of a TOML document stands, which the standard parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import define, field

Path = tuple[str | int, ...]

_BLANK: Final = re.compile(r"[ \t]*")
_GAP: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!"")|"(?="""))*"""(?!")'
    r"|'''(?:[^']|'(?!'')|'(?='''))*'''(?!')"
    r'|"(?:[^"\\\n]|\\[^\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_EASY: Final = re.compile(r'(?:([A-Za-z0-9_-]+)|"([^"\\\n]*)")[ \t]*=[ \t]*"[^"\\\n]*"[ \t]*(?:#[^\n]*)?\n')
_PLAIN: Final = re.compile(r"[^,\]}#\n]+")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each table, key and list item of a TOML document.

    A path is made of keys and of positions in lists from 0. A table that only the headers and keys
    below it mention stands where the first of them does. What follows after broken syntax is left out.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.found


def repeats(text: str) -> list[tuple[Path, int, int]]:
    """Return each key and table that a TOML document has twice, with the line of the second and of the first."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.repeated


class _BrokenError(Exception):
    """The document is no TOML from here on."""


@define
class _Scanner:
    text: str
    found: dict[Path, int] = field(factory=dict)
    repeated: list[tuple[Path, int, int]] = field(factory=list)
    _at: int = 0
    _line: int = 1
    _counted: int = 0
    _tables: dict[Path, int] = field(factory=dict)
    _declared: set[Path] = field(factory=set)

    def document(self) -> None:
        table: Path = ()
        try:
            while self._skip(_GAP):
                if self._easy_pairs(table):
                    continue
                if self.text[self._at] == "[":
                    table = self._header()
                else:
                    self._pair(table)
        except _BrokenError:
            pass

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self.text)

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise _BrokenError

    def _count(self) -> None:
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at

    def _easy_pairs(self, table: Path) -> bool:
        """Follow lines of one key and one text, the most of a large file, in a fraction of the time; tell of any."""
        self._count()
        start = self._at
        while match := _EASY.match(self.text, self._at):
            path = (*table, match[2] if match[1] is None else match[1])
            self.found.setdefault(path, self._line)
            self._declare(path)
            self._at = self._counted = match.end()
            self._line += 1
        return self._at > start

    def _note(self, path: Path, known: int) -> None:
        self._count()
        for length in range(known + 1, len(path) + 1):
            self.found.setdefault(path[:length], self._line)

    def _declare(self, path: Path) -> None:
        if path in self._declared:
            self.repeated.append((path, self._line, self.found[path]))
        self._declared.add(path)

    def _header(self) -> Path:
        repeated = self._take("[[")
        if not repeated:
            self._need("[")
        keys = tuple(self._keys())
        self._need("]]" if repeated else "]")
        path: Path = ()
        for i, key in enumerate(keys):
            path = (*path, key)
            if path in self._tables and (i < len(keys) - 1 or repeated):
                self._tables[path] += repeated and i == len(keys) - 1
                path = (*path, self._tables[path])
            elif repeated and i == len(keys) - 1:
                self._tables[path] = 0
                path = (*path, 0)
        self._note(path, 0)
        if path not in self._declared:
            self.found[path] = self._line
        self._declare(path)
        return path

    def _keys(self) -> Iterator[str]:
        while True:
            self._skip(_BLANK)
            bare = _BARE_KEY.match(self.text, self._at)
            quoted = None if bare else _STRING.match(self.text, self._at)
            match = bare or quoted
            if match is None:
                raise _BrokenError
            self._at = match.end()
            yield match[0] if bare else _unquoted(match[0])
            self._skip(_BLANK)
            if not self._take("."):
                return

    def _pair(self, table: Path) -> None:
        path = (*table, *self._keys())
        self._note(path, len(table))
        self._declare(path)
        self._need("=")
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._take("["):
            self._items(path)
        elif self._take("{"):
            self._inline(path)
        elif (match := _STRING.match(self.text, self._at) or _PLAIN.match(self.text, self._at)) is not None:
            self._at = match.end()
        else:
            raise _BrokenError

    def _items(self, path: Path) -> None:
        index = 0
        while True:
            self._skip(_GAP)
            if self._take("]"):
                return
            self._note((*path, index), len(path))
            self._value((*path, index))
            index += 1
            self._skip(_GAP)
            if not self._take(","):
                self._need("]")
                return

    def _inline(self, path: Path) -> None:
        self._skip(_GAP)
        while not self._take("}"):
            self._pair(path)
            self._skip(_GAP)
            if not self._take(","):
                self._need("}")
                return
            self._skip(_GAP)


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]

    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])

    return _ESCAPE.sub(plain, key[1:-1])
