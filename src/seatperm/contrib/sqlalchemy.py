"""A SQLAlchemy 2 condition for "the records on which this user may do this".

    mine = {"own": Invoice.owner_id == user.id}
    select(Invoice).where(may(org, user, "sales.invoices", "view", mine)).order_by(Invoice.id).limit(20)

Needs the extra `sqlalchemy`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, false, or_, true

import seatperm

from .lists import reached


def may(
    organization: seatperm.Organization,
    user: str | seatperm.User,
    resource: str,
    action: str,
    by_scope: Mapping[str, ColumnElement[bool]],
) -> ColumnElement[bool]:
    """Return a condition for `where`: the records on which a user may do this.

    It selects exactly the records that `Organization.can` allows one by one, if `by_scope` says the same as the
    function given to `Organization.relate`. It works in any statement in which its columns stand: with joins,
    order, pages, `count`, `update` and `delete`.

    Args:
        organization: decides.
        user: a user id or a `User`.
        resource, action: what the user wants to do.
        by_scope: for each scope of the catalog but the widest, the condition of the records that are there for
            this user, such as `{"own": Invoice.owner_id == user.id}`.

    Raises:
        InvalidValue: a condition is missing, or is of a scope that the catalog does not have.
        UnknownResource, UnknownAction, StoreUnavailable: as `Organization.widest_scope`.
    """
    conditions = reached(organization, user, resource, action, by_scope)
    return true() if conditions is None else or_(false(), *conditions)
