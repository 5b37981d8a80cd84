"""Loading: TOML, JSON or a mapping to a catalog and back, with every problem at once."""

from __future__ import annotations

import json
import logging
import re
import stat
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path as FilePath

from attrs import define, field

from ..catalog import Catalog, Parts
from ..errors import CatalogError
from ..problem import Problem
from .checks import findings
from .entries import ABSENT, Finding, Misfit, Path, found, spell
from .layout import fields_of, file_of, plain, read_layout
from .toml_lines import lines, repeats


def load(source: str | FilePath | Mapping[str, object], *, slow_after: timedelta = timedelta(seconds=5)) -> Catalog:
    """Load a catalog from a `.toml` or `.json` file, or a mapping of the same shape.

    Args:
        source: the file's path, or the mapping.
        slow_after: loading that takes longer is told as a warning to the logger `seatperm`.

    Raises:
        CatalogError: with every problem, each with file, line and path as far as the source has them.
    """
    started = time.monotonic()
    document = _read(source)
    file, misfits = read_layout(document.raw)
    if misfits or document.repeated:
        wrong = [misfit.finding for misfit in misfits]
        raise document.error([*document.repeated, *wrong, *findings(Parts(**fields_of(file)), _broken(misfits))])
    try:
        catalog = Catalog(**fields_of(file))
    except CatalogError:
        raise document.error(findings(Parts(**fields_of(file)))) from None
    _tell_slow(catalog, document, time.monotonic() - started, slow_after)
    return catalog


def dump(catalog: Catalog) -> dict[str, object]:
    """Return the mapping that `load` reads back as an equal catalog; it fits TOML and JSON."""
    written: dict[str, object] = plain(file_of(catalog))
    return written


def dumps_toml(catalog: Catalog) -> str:
    """Return the text of a TOML file that `load` reads back as an equal catalog."""
    blocks: list[str] = []
    for section, table in dump(catalog).items():
        assert isinstance(table, dict)
        if section in ("catalog", "scopes", "global_permissions"):
            blocks.append(_toml_table((section,), table))
        else:
            blocks += [_toml_table((section, name), inner) for name, inner in table.items()]
    return "\n".join(blocks)


def _toml_table(path: tuple[str, ...], table: Mapping[str, object]) -> str:
    return "".join([f"[{spell(path)}]\n", *(f"{spell((key,))} = {_toml(value)}\n" for key, value in table.items())])


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{spell((key,))} = {_toml(item)}' for key, item in value.items())} }}"
    # JSON's text and flags are TOML's, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _broken(misfits: Iterable[Misfit]) -> Iterator[Path]:
    for misfit in misfits:
        yield from misfit.doubts
        if misfit.stand_in is not ABSENT:
            yield tuple(part for part in misfit.place if isinstance(part, str | int))


@define
class _Document:
    """What was read, and where things stand in it."""

    raw: object
    file: str | None = None
    toml: str | None = None
    repeated: list[Finding] = field(factory=list)
    _order: dict[int, dict[object, int]] = field(factory=dict)

    def error(self, wrong: Iterable[Finding]) -> CatalogError:
        """Return the error that tells all findings, in the order of the file."""
        by_path = {} if self.toml is None else lines(self.toml)
        placed: list[tuple[int, tuple[int, ...], Problem]] = []
        for finding in wrong:
            path, order = self._as_written(finding.path)
            line = next((by_path[path[:n]] for n in range(len(path), 0, -1) if path[:n] in by_path), None)
            problem = Problem(spell(path or finding.path), finding.message, finding.nearest, self.file, line)
            placed.append((line or 0, order, problem))
        placed.sort(key=lambda item: item[:2])
        return CatalogError(problem for _, _, problem in placed)

    def _as_written(self, path: Path) -> tuple[Path, tuple[int, ...]]:
        """Return the part of a path that the source has, and where it stands among its neighbours.

        A path that leads into a grant counts it in its entry, which may have been written without a list.
        """
        here, written, order = self.raw, [], []
        for part in path:
            if isinstance(here, Mapping):
                if isinstance(part, int):
                    continue
                if part not in here:
                    break
                if id(here) not in self._order:
                    self._order[id(here)] = {key: i for i, key in enumerate(here)}
                order.append(self._order[id(here)][part])
                here = here[part]
            elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
                order.append(part)
                here = here[part]
            else:
                break
            written.append(part)
        return tuple(written), tuple(order)


def _read(source: object) -> _Document:
    if isinstance(source, Mapping):
        return _Document(source)
    if not isinstance(source, str | FilePath):
        raise CatalogError([Problem("", f"expected the path of a file or a mapping, found {found(source)}")])
    name = str(source)
    text = _text(FilePath(source), name)
    try:
        if FilePath(source).suffix.lower() == ".toml":
            return _Document(tomllib.loads(text), name, text)
        return _json(text, name)
    except RecursionError:
        raise CatalogError([Problem("", "the file is nested too deeply for a catalog", file=name)]) from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(_broken_toml(str(error), text, name)) from None
    except json.JSONDecodeError as error:
        raise CatalogError([Problem("", f"broken JSON: {error.msg}", file=name, line=error.lineno)]) from None
    except ValueError as error:
        raise CatalogError([Problem("", f"a value can't be read: {error}", file=name)]) from None


def _text(path: FilePath, name: str) -> str:
    def error(message: str, line: int | None = None) -> CatalogError:
        return CatalogError([Problem("", message, file=name, line=line)])

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise error("this is a directory; expected a .toml or .json file")
        if not stat.S_ISREG(mode):
            raise error("this is no regular file; expected a .toml or .json file")
        if path.suffix.lower() not in (".toml", ".json"):
            raise error(f"expected a file whose name ends in .toml or .json, found {path.suffix or 'no ending'!r}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise error("there is no such file") from None
    except (OSError, ValueError) as cause:
        raise error(f"the file can't be read: {getattr(cause, 'strerror', None) or cause}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise error(f"this is no UTF-8 text: found the byte 0x{data[cause.start]:02x}", line) from None
    if not text.strip():
        raise error("the file is empty; expected a catalog")
    return text


def _broken_toml(message: str, text: str, file: str) -> list[Problem]:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    twice = [
        Problem(spell(path), f"this is there twice, first on line {first}", file=file, line=again)
        for path, again, first in repeats(text)
    ]
    if twice and message.startswith(("Cannot ", "Duplicate ")):
        return twice
    return [*twice, Problem("", f"broken TOML: {message[: place.start()] if place else message}", file=file, line=line)]


def _json(text: str, file: str) -> _Document:
    doubled: list[tuple[dict[str, object], str]] = []

    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            doubled.extend((result, key) for key, count in counts.items() if count > 1)
        return result

    document = _Document(json.loads(text, object_pairs_hook=table), file)
    places = {id(inner): path for path, inner in _tables(document.raw)} if doubled else {}
    document.repeated += [
        Finding((*places[id(inner)], key), "this is there twice") for inner, key in doubled if id(inner) in places
    ]
    return document


def _tables(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _tables(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _tables(item, (*path, i))


def _tell_slow(catalog: Catalog, document: _Document, seconds: float, slow_after: timedelta) -> None:
    if seconds > slow_after.total_seconds():
        entries = sum(len(role.grants) for role in catalog.roles.values())
        logging.getLogger("seatperm").warning(
            "loading the catalog %s took %.1f seconds: %d roles, %d resources, %d entries",
            document.file or repr(catalog.name),
            seconds,
            len(catalog.roles),
            len(catalog.resources),
            entries,
        )
