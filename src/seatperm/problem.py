"""What `CatalogError` tells of a catalog."""

from __future__ import annotations

from attrs import frozen

from .spelling import did_you_mean


@frozen
class Problem:
    """One thing that is wrong with a catalog.

    Attributes:
        path: where it stands, as a dotted path: `roles.sales_staff.grants.sales`.
        message: what is wrong: what was found and what was expected.
        nearest: up to three known names that look like what was found.
        file: the file, where the source is one.
        line: the line in that file, from 1, where the source is TOML or broken JSON.
    """

    path: str
    message: str
    nearest: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file or ''}{f':{self.line}' if self.line else ''}"
        head = ": ".join(part for part in (where, self.path) if part)
        text = f"{self.message}{did_you_mean(self.nearest)}"
        return f"{head}: {text}" if head else text
