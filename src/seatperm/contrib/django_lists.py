"""A Django `Q` for "the records on which this user may do this".

    mine = {"own": Q(owner_id=user.id)}
    Invoice.objects.filter(may(org, user, "sales.invoices", "view", mine)).order_by("id")[:20]

Needs the extra `django`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

from django.db.models import Q

import seatperm

from .lists import reached


def may(
    organization: seatperm.Organization,
    user: str | seatperm.User,
    resource: str,
    action: str,
    by_scope: Mapping[str, Q],
) -> Q:
    """Return a condition for `filter`: the records on which a user may do this.

    It selects exactly the records that `Organization.can` allows one by one, if `by_scope` says the same as the
    function given to `Organization.relate`. Where a condition follows a relation to many, say `distinct()`.

    Args:
        organization: decides.
        user: a user id or a `User` of seatperm's.
        resource, action: what the user wants to do.
        by_scope: for each scope of the catalog but the widest, the condition of the records that are there for
            this user, such as `{"own": Q(owner_id=user.id)}`.

    Raises:
        InvalidValue: a condition is missing, or is of a scope that the catalog does not have.
        UnknownResource, UnknownAction, StoreUnavailable: as `Organization.widest_scope`.
    """
    conditions = reached(organization, user, resource, action, by_scope)
    return Q() if conditions is None else reduce(or_, conditions, Q(pk__in=()))
