"""What the rows have found, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

Figure = int | float | str


class Verdict(Enum):
    """How a row ended."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    NOT_RUN = "NOT RUN"
    NOT_APPLICABLE = "-"


@frozen
class Result:
    """What one row has found on one store.

    Attributes:
        row: its number.
        fault: what was done to the store or to its clients.
        holds: what must hold.
        verdict: whether it has held.
        figures: what was counted and measured, by name; seconds where the name ends in `_s`.
        why: what failed, or why the row was not run; empty otherwise.
        seconds: how long the row took.
    """

    row: int
    fault: str
    holds: str
    verdict: Verdict
    figures: Mapping[str, Figure] = field(factory=dict)
    why: str = ""
    seconds: float = 0.0

    def as_text(self) -> str:
        """Return the result as lines for people."""
        lines = [f"{self.row:>2}  {self.verdict.value:<8} {self.fault}: {self.holds}  ({self.seconds:.1f} s)"]
        if self.figures:
            lines.append("    " + " · ".join(f"{name} {_short(value)}" for name, value in self.figures.items()))
        if self.why:
            lines.append(f"    {self.why}")
        return "\n".join(lines)

    def as_record(self) -> dict[str, object]:
        """Return the result as a record that JSON can hold."""
        return {
            "row": self.row,
            "fault": self.fault,
            "holds": self.holds,
            "verdict": self.verdict.name.lower(),
            "figures": dict(self.figures),
            "why": self.why,
            "seconds": round(self.seconds, 3),
        }


def _short(value: Figure) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else value
