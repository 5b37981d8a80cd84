"""The chart of the performance page: what a check costs here, by hand and elsewhere, on a scale of tens, as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from .measuring import Row

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 860, 190, 90, 9, 12, 64
COLOURS = {"small": "#9ecae1", "medium": "#4292c6", "large": "#084594"}
OURS = {"hot: by hand": "a dict by hand, hot", "hot: org.can": "seatperm, hot"}


def chart(rows: Sequence[Row], machine: str) -> str:
    """Return the SVG text: a bar for each library and size, nanoseconds a check."""
    found = dict(lines(rows))
    values = [value for sizes in found.values() for value in sizes.values()]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    scale = (WIDTH - LEFT - RIGHT) / (high - low)

    def x(value: float) -> float:
        return LEFT + (log10(value) - low) * scale

    drawn, y = [], float(TOP)
    for name, sizes in found.items():
        drawn.append(text(LEFT - 8, y + BAR * len(sizes) / 2 + 4, name, "end", "600" if "seatperm" in name else "400"))
        for size, value in sizes.items():
            width = x(value) - LEFT
            drawn.append(
                f'<rect x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{BAR - 1}" fill="{COLOURS[size]}"/>'
            )
            drawn.append(text(x(value) + 5, y + BAR - 2, told(value), size=9))
            y += BAR
        y += GAP
    grid = []
    for power in range(low, high + 1):
        place = x(10.0**power)
        grid.append(f'<line x1="{place:.1f}" y1="{TOP - 8}" x2="{place:.1f}" y2="{y:.0f}" stroke="#ddd"/>')
        grid.append(text(place, TOP - 14, told(10.0**power), "middle", size=10))
    legend = []
    for place, (size, colour) in enumerate(COLOURS.items()):
        legend.append(f'<rect x="{LEFT + place * 90}" y="26" width="10" height="10" fill="{colour}"/>')
        legend.append(text(LEFT + place * 90 + 15, 35, size))
    head = text(LEFT, 16, "One check, on a scale of tens: each line is ten times the one before", weight="600")
    foot = text(LEFT, y + 12, machine, size=10)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 22:.0f}" width="{WIDTH}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([head, *legend, *grid, *drawn, foot])
        + "\n</svg>\n"
    )


def lines(rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, float]]]:
    """Iterate over what is drawn: a name, and nanoseconds by size."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.what in OURS and row.size in COLOURS:
            found.setdefault(OURS[row.what], {})[row.size] = row.value
        elif row.part == "peers" and row.value:
            found.setdefault(row.what, {})[row.size] = row.value * 1_000
    yield from sorted(found.items(), key=lambda item: max(item[1].values()))


def told(nanoseconds: float) -> str:
    """Return a duration as people read it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def text(x: float, y: float, said: str, anchor: str = "start", weight: str = "400", size: int = 11) -> str:
    """Return one line of text."""
    style = f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="#222"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(said)}</text>'
