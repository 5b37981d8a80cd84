"""What the modules for object mappers share: which of a host's conditions select what a user may reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import seatperm

C = TypeVar("C")


def reached(
    organization: seatperm.Organization,
    user: str | seatperm.User,
    resource: str,
    action: str,
    by_scope: Mapping[str, C],
) -> Iterable[C] | None:
    """Return the conditions of which a record has to meet one, None where every record is reached.

    What is allowed at a scope is allowed at every narrower one (the contract, section 2), so these are the
    conditions of all scopes up to the widest; none where the user may do it nowhere.

    Args:
        organization: decides.
        user: who wants to do it: a user id or a `User`.
        resource, action: what.
        by_scope: for each scope but the widest, the condition of the records that `Organization.relate`'s function
            puts there.

    Raises:
        InvalidValue: a condition is missing, or is of a scope that the catalog does not have.
        UnknownResource, UnknownAction, StoreUnavailable: as `Organization.widest_scope`.
    """
    *narrower, everything = organization.catalog.scopes
    unknown = sorted(set(by_scope) - set(narrower))
    missing = [scope for scope in narrower if scope not in by_scope]
    if unknown or missing:
        expected = f"a condition for each of {', '.join(map(repr, narrower))}, and for no other scope"
        raise seatperm.InvalidValue("by_scope", sorted(by_scope), expected)
    widest = organization.widest_scope(user, resource, action)
    if widest == everything:
        return None
    if widest is None:
        return ()
    return [by_scope[scope] for scope in narrower[: narrower.index(widest) + 1]]
