"""The rows that the Django condition selects are exactly those that `can` allows one by one."""

from __future__ import annotations

from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from seatperm.contrib.django_lists import may

from . import ledger

ORG = ledger.books()

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["tests.contrib"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


class Team(models.Model):
    """A team, and the region that it is of."""

    name: models.CharField[str, str] = models.CharField(max_length=20, primary_key=True)
    region: models.CharField[str, str] = models.CharField(max_length=20)

    class Meta:
        """Where it belongs."""

        app_label = "contrib"


class Member(models.Model):
    """Somebody in a team; a team has many, and somebody may be in it twice."""

    user: models.CharField[str | None, str | None] = models.CharField(max_length=20, null=True)
    team: models.ForeignKey[Team, Team] = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")

    class Meta:
        """Where it belongs."""

        app_label = "contrib"


class Invoice(models.Model):
    """An invoice, as a table's row."""

    owner: models.CharField[str | None, str | None] = models.CharField(max_length=20, null=True)
    team: models.ForeignKey[Team | None, Team | None] = models.ForeignKey(Team, on_delete=models.CASCADE, null=True)

    class Meta:
        """Where it belongs."""

        app_label = "contrib"


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A real database with the host's tables, by its alias."""
    alias = "default"
    if request.param == "postgresql":
        said = conninfo_to_dict(request.getfixturevalue("postgres_url"))
        alias = "postgresql"
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
        connections.databases[alias] = {
            **connections.databases["default"],
            "ENGINE": "django.db.backends.postgresql",
            **{ours: str(said.get(theirs) or "") for ours, theirs in names.items()},
        }
    with connections[alias].schema_editor() as editor:
        editor.create_model(Team)
        editor.create_model(Member)
        editor.create_model(Invoice)
    for name, region in ledger.TEAMS.items():
        Team.objects.using(alias).create(name=name, region=region)
    Member.objects.using(alias).bulk_create(Member(id=id, user=user, team_id=team) for id, user, team in ledger.MEMBERS)
    yield alias
    with connections[alias].schema_editor() as editor:
        editor.delete_model(Invoice)
        editor.delete_model(Member)
        editor.delete_model(Team)
    connections[alias].close()


@given(
    user=st.sampled_from(sorted(ledger.USERS)),
    roles=ledger.roles(),
    override=ledger.overrides(),
    rows=ledger.invoices(),
    size=st.integers(1, 30),
)
def test_the_condition_selects_what_can_allows_one_by_one(
    database: str, user: str, roles: set[str], override: str | None, rows: list[ledger.Invoice], size: int
) -> None:
    """For own, team, region and all, with personal settings, for records without an owner or a team."""
    ledger.hold(ORG, user, roles, override)
    team = ledger.USERS[user]
    conditions = {"own": Q(owner=user), "team": Q(team=team), "region": Q(team__region=ledger.TEAMS[team])}
    by_members = {**conditions, "team": Q(team__members__user=user)}
    table = Invoice.objects.using(database)
    table.all().delete()
    table.bulk_create(Invoice(id=row.id, owner=row.owner, team_id=row.team) for row in rows)
    for action in ledger.ACTIONS:
        found = table.filter(may(ORG, user, "sales.invoices", action, conditions)).order_by("id")
        one_by_one = [row.id for row in rows if ORG.can(user, "sales.invoices", action, row)]
        pages = [list(found.values_list("id", flat=True)[start : start + size]) for start in range(0, 30, size)]
        assert [id for page in pages for id in page] == one_by_one
        assert found.count() == len(one_by_one)
        joined = table.filter(may(ORG, user, "sales.invoices", action, by_members)).distinct().order_by("id")
        assert list(joined.values_list("id", flat=True)) == one_by_one
        assert joined.count() == len(one_by_one)
        assert found.exclude(owner="ben").count() == sum(rows[id - 1].owner != "ben" for id in one_by_one)
