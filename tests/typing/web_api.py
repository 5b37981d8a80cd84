"""Host code on the modules for frameworks, as a type checker sees it: checked by mypy and pyright, run by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

from flask.views import MethodView
from starlette.requests import Request

import seatperm
from seatperm import aio
from seatperm.contrib import fastapi, flask, litestar, starlette
from seatperm.contrib.web import Bearer, Cookie


class Invoice:
    """A record of the host's."""


def find(id: int) -> Invoice | None:
    """Look one up."""
    return Invoice() if id else None


def in_flask(org: seatperm.Organization) -> None:
    """Decorated views keep their types: with a record, of what the URL has; the record's own type is checked."""
    auth = flask.Seatperm(org, carrier=Bearer(), on_unavailable="grace")

    @auth.needs("sales.invoices", "view", load=find)
    def show(invoice: Invoice) -> str:
        return str(invoice)

    @auth.needs("reports", "view")
    def report(year: int) -> str:
        return str(year)

    @auth.signed_in
    def me() -> str:
        return auth.session.user.id

    class Invoices(MethodView):
        """One invoice."""

        @auth.needs("sales.invoices", "view", load=find)
        def get(self, invoice: Invoice) -> str:
            """Show it."""
            return str(invoice)

    shown: Callable[[int], str] = show
    assert_type(report(2026), str)
    assert_type(Invoices().get(7), str)
    assert_type(me(), str)
    assert_type(shown(1), str)


async def awaited(org: seatperm.Organization, books: aio.Organization, request: Request) -> None:
    """Books of both kinds, or a function to them, plain or awaited."""

    async def found(_connection: object) -> aio.Organization:
        return books

    for auth in (
        starlette.Seatperm(org),
        starlette.Seatperm(books, carrier=Cookie(same_site="strict")),
        starlette.Seatperm(found),
        fastapi.Seatperm(lambda _request: org),
        litestar.Seatperm(books, reasons=False),
    ):
        session = await auth.sign_in(request, "ana", "desk")
        assert_type(session, seatperm.Session | aio.Session)
        await auth.sign_out(request)
