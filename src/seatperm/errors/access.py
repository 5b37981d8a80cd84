"""What is wrong with a catalog, a check or a grant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .base import SeatpermError

if TYPE_CHECKING:
    from ..decision import Decision
    from ..problem import Problem


class CatalogError(SeatpermError):
    """A catalog can't be loaded.

    Attributes:
        problems: every problem found, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n".join([f"the catalog has {head}:", *(f"  {problem}" for problem in self.problems)]))


class CatalogMismatch(SeatpermError):
    """A store names things that the catalog does not have.

    Attributes:
        unknown: one sentence for each, such as "role 'cashier', held by 3 users".
    """

    def __init__(self, unknown: Iterable[str]) -> None:
        self.unknown = tuple(unknown)
        items = "".join(f"  {item}\n" for item in self.unknown)
        super().__init__(
            f"the store names what the catalog does not have:\n{items}"
            "put it back into the catalog, or open with orphans='keep'"
        )


class AccessDenied(SeatpermError):
    """A check that was required did not pass.

    Attributes:
        decision: the `Decision`, with its reason, trace and remedies.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(decision.summary)


class NoRelation(SeatpermError):
    """A record was named, and no function tells how users relate to records of this resource.

    Attributes:
        resource: the resource that was asked.
    """

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(
            f"a record of {resource!r} was named, but nothing tells whose it is: "
            f"call org.relate({resource!r}, function) first, for it or for a resource above it"
        )


class InvalidGrant(SeatpermError):
    """A grant given for a resource does not fit it.

    Attributes:
        resource: the resource it was given for.
        grant: the grant as it was given.
        problems: one sentence for each thing that is wrong with it.
    """

    def __init__(self, resource: str, grant: object, problems: Iterable[str]) -> None:
        self.resource = resource
        self.grant = grant
        self.problems = tuple(problems)
        super().__init__(f"{grant!r} is no grant on {resource!r}: {'; '.join(self.problems)}")
