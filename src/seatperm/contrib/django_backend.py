"""How Django's own `user.has_perm` asks seatperm."""

from __future__ import annotations

from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

import seatperm

from .django_door import Configuration, present


class SeatpermBackend:
    """Answers `user.has_perm("sales.invoices:edit", invoice)` by seatperm; it signs nobody in.

    Django never asks a backend about an active superuser: see `AsksSeatperm`.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        """Leave it to the other backends to find out who somebody is."""

    async def aauthenticate(self, request: HttpRequest | None, **credentials: object) -> None:
        """Leave it to the other backends to find out who somebody is."""

    def get_user(self, user_id: object) -> None:
        """Return nobody: users are the other backends'."""

    async def aget_user(self, user_id: object) -> None:
        """Return nobody: users are the other backends'."""

    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Tell whether a user may do it; names without a colon are Django's own, and not answered here.

        Raises:
            UnknownResource, UnknownAction, NoRelation, StoreUnavailable: as `Organization.can`.
            ImproperlyConfigured: there is no request, and the organization is one of each request.
        """
        resource, colon, action = perm.rpartition(":")
        if not colon or user_obj.is_anonymous or not user_obj.is_active:
            return False
        current, configuration = present.get(), Configuration.read()
        if current is None and callable(configuration.organization):
            raise ImproperlyConfigured(f"{perm!r} was asked about outside a request: call Organization.can instead")
        organization = cast("seatperm.Organization", configuration.organization)
        if current is not None:
            organization = current.organization
        return organization.can(configuration.user_id(user_obj), resource, action, obj)

    async def ahas_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Tell the same as `has_perm`, without keeping the event loop."""
        return await sync_to_async(self.has_perm)(user_obj, perm, obj)


class AsksSeatperm:
    """The first base of a user model whose superusers too are asked about: they get what their package contains.

    class User(AsksSeatperm, AbstractUser): ...
    """

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether the user may do it: by seatperm where the name has a colon, else as Django says."""
        if ":" in perm:
            return SeatpermBackend().has_perm(self, perm, obj)
        whole: bool = super().has_perm(perm, obj)  # type: ignore[misc] # the user model's other base has it
        return whole

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """Tell the same as `has_perm`, without keeping the event loop."""
        return await sync_to_async(self.has_perm)(perm, obj)
