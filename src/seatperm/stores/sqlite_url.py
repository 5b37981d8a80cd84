"""What a `sqlite:///` URL says."""

from __future__ import annotations

import re
from typing import Final, Literal

from attrs import evolve, frozen

from ..errors import InvalidValue

SQLITE: Final = "sqlite:///"


@frozen
class SQLiteURL:
    """What a `sqlite:///path?timeout=5&synchronous=normal` says; the path is relative, or absolute with a fourth slash.

    Attributes:
        path: of the file.
        synchronous: "full" or "normal", None where the store chooses.
        timeout: seconds to wait for other writers.
        mode: "rwc": a missing file is made. "rw": it must be there. "ro": so it must, and nothing is written to it.
    """

    path: str
    synchronous: Literal["full", "normal"] | None = None
    timeout: float = 30.0
    mode: Literal["rwc", "rw", "ro"] = "rwc"

    @classmethod
    def parse(cls, url: str) -> SQLiteURL:
        """Read a URL.

        Raises:
            InvalidValue: it says something else after the question mark.
        """
        path, _, options = url.removeprefix(SQLITE).partition("?")
        read = cls(path)
        for option in filter(None, options.split("&")):
            match option.split("="):
                case ["synchronous", ("full" | "normal") as synchronous]:
                    read = evolve(read, synchronous=synchronous)
                case ["timeout", seconds] if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", seconds):
                    read = evolve(read, timeout=float(seconds))
                case ["mode", ("rwc" | "rw" | "ro") as mode]:
                    read = evolve(read, mode=mode)
                case _:
                    raise InvalidValue(
                        "store",
                        url,
                        "'timeout=' and seconds, 'synchronous=' and 'full' or 'normal', "
                        f"or 'mode=' and 'rwc', 'rw' or 'ro', for {option!r}",
                    )
        return read
