"""Names that look like a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """Return up to `count` of the `known` names that look most like `name`, best first."""
    from difflib import get_close_matches  # loaded only when something went wrong

    by_folded = {candidate.casefold(): candidate for candidate in known}
    return tuple(by_folded[match] for match in get_close_matches(name.casefold(), by_folded, count, 0.6))


def did_you_mean(names: Iterable[str]) -> str:
    """Return "; did you mean 'a' or 'b'?" for the given names, or nothing for none."""
    quoted = [repr(name) for name in names]
    return f"; did you mean {' or '.join(quoted)}?" if quoted else ""
