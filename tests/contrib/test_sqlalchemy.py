"""The rows that the SQLAlchemy condition selects are exactly those that `can` allows one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Select,
    String,
    create_engine,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool

import seatperm
from seatperm.contrib.sqlalchemy import may

from . import ledger


class Base(DeclarativeBase):
    """The host's tables."""


class Team(Base):
    """A team, and the region that it is of."""

    __tablename__ = "seatperm_test_teams"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    region: Mapped[str] = mapped_column(String(20))


class Member(Base):
    """Somebody in a team; a team has many, and somebody may be in it twice."""

    __tablename__ = "seatperm_test_members"
    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str | None] = mapped_column(String(20))
    team: Mapped[str] = mapped_column(ForeignKey(Team.name))


class Invoice(Base):
    """An invoice, as a table's row."""

    __tablename__ = "seatperm_test_invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(20))
    team: Mapped[str | None] = mapped_column(ForeignKey(Team.name))


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A real database with the host's tables."""
    if request.param == "sqlite":
        engine = create_engine("sqlite://", poolclass=StaticPool)
    else:
        url: str = request.getfixturevalue("postgres_url")
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Team), [{"name": name, "region": it} for name, it in ledger.TEAMS.items()])
        members = [{"id": id, "user": user, "team": team} for id, user, team in ledger.MEMBERS]
        connection.execute(insert(Member), members)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


ORG = ledger.books()


def allowed(connection: Connection, user: str, action: str, *, size: int) -> list[int]:
    """Return the ids that the condition selects, joined, in order, page by page."""
    team = ledger.USERS[user]
    condition = may(
        ORG,
        user,
        "sales.invoices",
        action,
        {"own": Invoice.owner == user, "team": Invoice.team == team, "region": Team.region == ledger.TEAMS[team]},
    )
    query = select(Invoice.id).outerjoin(Team).where(condition).order_by(Invoice.id)
    return paged(connection, query, size)


def allowed_by_members(connection: Connection, user: str, action: str, *, size: int) -> list[int]:
    """Return the same, where the condition of a team stands on a table of which an invoice meets many rows."""
    condition = may(
        ORG,
        user,
        "sales.invoices",
        action,
        {
            "own": Invoice.owner == user,
            "team": Member.user == user,
            "region": Team.region == ledger.TEAMS[ledger.USERS[user]],
        },
    )
    joined = select(Invoice.id).outerjoin(Team).outerjoin(Member, Member.team == Team.name)
    return paged(connection, joined.where(condition).distinct().order_by(Invoice.id), size)


def paged(connection: Connection, query: Select[int], size: int) -> list[int]:
    """Return the ids of a query, page by page, after a look at how many it counts."""
    count = connection.scalar(select(func.count()).select_from(query.subquery()))
    assert count is not None
    pages = [connection.scalars(query.limit(size).offset(start)).all() for start in range(0, count, size)]
    assert sum(map(len, pages)) == count
    return [id for page in pages for id in page]


@given(
    user=st.sampled_from(sorted(ledger.USERS)),
    roles=ledger.roles(),
    override=ledger.overrides(),
    rows=ledger.invoices(),
    size=st.integers(1, 30),
)
def test_the_condition_selects_what_can_allows_one_by_one(
    engine: Engine, user: str, roles: set[str], override: str | None, rows: list[ledger.Invoice], size: int
) -> None:
    """For own, team, region and all, with personal settings, for records without an owner or a team."""
    ledger.hold(ORG, user, roles, override)
    with engine.connect() as connection:
        if rows:
            values = [{"id": row.id, "owner": row.owner, "team": row.team} for row in rows]
            connection.execute(insert(Invoice), values)
        for action in ledger.ACTIONS:
            one_by_one = [row.id for row in rows if ORG.can(user, "sales.invoices", action, row)]
            assert allowed(connection, user, action, size=size) == one_by_one
            assert allowed_by_members(connection, user, action, size=size) == one_by_one
        connection.rollback()


def test_the_condition_keeps_a_delete_to_what_is_allowed(engine: Engine) -> None:
    """It serves every statement, not only lists."""
    ledger.hold(ORG, "ana", {"seller"}, None)
    conditions: dict[str, ColumnElement[bool]] = {
        "own": Invoice.owner == "ana",
        "team": Invoice.team == "red",
        "region": Invoice.team == "red",
    }
    with engine.connect() as connection:
        connection.execute(insert(Invoice), [{"id": 1, "owner": "ana"}, {"id": 2, "owner": "ben"}])
        connection.execute(delete(Invoice).where(may(ORG, "ana", "sales.invoices", "edit", conditions)))
        assert connection.scalars(select(Invoice.id)).all() == [2]
        connection.execute(delete(Invoice).where(may(ORG, "nobody", "sales.invoices", "edit", conditions)))
        assert connection.scalars(select(Invoice.id)).all() == [2]


@pytest.mark.parametrize("scopes", [["own"], ["own", "team", "region", "all"], ["own", "team", "regoin"], []])
def test_a_scope_without_a_condition_is_a_mistake(scopes: list[str]) -> None:
    """It comes out for every user, not only for one who reaches that far."""
    conditions = dict.fromkeys(scopes, Invoice.owner == "ana")
    with pytest.raises(seatperm.InvalidValue, match="a condition for each of 'own', 'team', 'region'"):
        may(ORG, "ana", "sales.invoices", "view", conditions)


def test_a_misspelt_name_is_a_mistake() -> None:
    """As with `can`."""
    conditions = dict.fromkeys(ledger.CATALOG_SCOPES, Invoice.owner == "ana")
    with pytest.raises(seatperm.UnknownResource, match="invoices"):
        may(ORG, "ana", "sales.invoice", "view", conditions)
