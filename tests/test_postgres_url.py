"""What a PostgreSQL URL may say, and that nothing secret of it is ever shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import seatperm
from seatperm.errors import InvalidValue, StoreUnavailable
from seatperm.stores.opening import open_directory
from seatperm.stores.postgres import PostgresDirectory
from seatperm.stores.postgres_database import PostgresDatabase
from seatperm.stores.postgres_url import OWN, PostgresURL

SECRET = "se-cret"


def test_a_url_says_what_libpq_reads_and_what_is_ours() -> None:
    where = PostgresURL.parse(
        f"postgres://app:{SECRET}@db1:5433,db2/books%20x?sslmode=verify-full&target_session_attrs=read-write"
        "&schema=shop_2&timeout=2.5&pool_min=0&pool_max=20"
    )
    assert (where.schema, where.timeout, where.pool_min, where.pool_max) == ("shop_2", 2.5, 0, 20)
    assert where.shown == "postgresql://db1:5433,db2/books%20x"
    assert where.libpq["password"] == SECRET
    assert where.libpq["sslmode"] == "verify-full"
    assert where.hosts == 2


def test_what_is_left_out_has_a_default() -> None:
    where = PostgresURL.parse("postgresql:///books?host=/run/postgresql&port=5433")
    assert (where.schema, where.timeout, where.pool_min, where.pool_max) == ("seatperm", 10.0, 1, 8)
    assert where.shown == "postgresql:///books?host=/run/postgresql&port=5433"


def test_a_connection_asks_for_no_longer_than_the_store_waits() -> None:
    """Shared by the hosts, and two seconds at the least; what the URL says is kept where it is less."""
    assert "connect_timeout=3" in PostgresURL.parse("postgresql://a,b,c/books").conninfo(10)
    assert "connect_timeout=2" in PostgresURL.parse("postgresql://a/books").conninfo(0.5)
    assert "connect_timeout=4" in PostgresURL.parse("postgresql://a/books?connect_timeout=4").conninfo(9)
    assert "connect_timeout=9" in PostgresURL.parse("postgresql://a/books?connect_timeout=40").conninfo(9)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"postgresql://app:{SECRET}@db/books?tiemout=3", "did you mean 'timeout'"),
        (f"postgresql://app:{SECRET}@db/books?sslmod=require", "did you mean 'sslmode'"),
        (f"postgresql://app:{SECRET}@db/books?timeout=soon", "seconds for 'timeout=soon'"),
        (f"postgresql://app:{SECRET}@db/books?timeout=0", "seconds for 'timeout=0'"),
        (f"postgresql://app:{SECRET}@db/books?pool_max=0", "at least 1, for 'pool_max=0'"),
        (f"postgresql://app:{SECRET}@db/books?pool_min=-1", "for 'pool_min=-1'"),
        (f"postgresql://app:{SECRET}@db/books?schema=Shop", "lower-case letters"),
        (f"postgresql://app:{SECRET}@db/books?schema=pg_shop", "lower-case letters"),
        (f"postgresql://app:{SECRET}@db/books?schema=a%22;drop", "lower-case letters"),
        (f"postgresql://app:a/{SECRET}@db/books", "%40"),
        (f"postgresql://app:a?{SECRET}@db/books", "%40"),
        (f"postgresql://app:{SECRET}@db:port/books", "a number for the port"),
        (f"postgresql://app:{SECRET}@[db/books", "a URL that libpq can read"),
        (f"postgresql://app@db/books?password={SECRET}&timeout=x", "seconds for 'timeout=x'"),
    ],
)
def test_a_url_that_says_what_it_cannot_is_refused_and_shows_no_secret(url: str, told: str) -> None:
    """What was expected is said; user, password and settings are left out."""
    with pytest.raises(InvalidValue) as caught:
        open_directory(url)
    assert told in str(caught.value)
    assert SECRET not in repr((str(caught.value), caught.value.args, caught.value.value))


def test_a_misspelt_scheme_shows_no_secret_either() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'postgresql'") as caught:
        open_directory(f"postgersql://app:{SECRET}@db/books?sslpassword={SECRET}&timeout=3")
    assert SECRET not in str(caught.value)
    assert caught.value.value == "postgersql://db/books?sslpassword=…&timeout=3"


def test_without_its_extra_the_store_says_what_to_install() -> None:
    code = "import sys; sys.modules['psycopg'] = None; from seatperm.stores.opening import open_directory; open_directory('postgresql://db/books')"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert "pip install 'seatperm[postgres]'" in done.stderr


@pytest.mark.parametrize("userinfo", [f"app:{SECRET}@127.0.0.1:1", f"127.0.0.1:1/x?password={SECRET}#"])
def test_no_message_and_no_repr_shows_a_secret(userinfo: str) -> None:
    url = f"postgresql://{userinfo}/books" if "@" in userinfo else f"postgresql://app@{userinfo.rstrip('#')}"
    database = PostgresDatabase(url)
    with pytest.raises(StoreUnavailable) as caught:
        PostgresDirectory(url)
    for shown in (str(caught.value), caught.value.store, repr(database), repr(database.where), database.url):
        assert SECRET not in shown


def test_a_store_names_itself_without_secrets(postgres_store: str) -> None:
    store = PostgresDirectory(f"{postgres_store.replace('postgres@', f'postgres:{SECRET}@')}")
    assert SECRET not in repr(store) + store.url
    assert store.url.startswith("postgresql://")
    store.close()
    with pytest.raises(StoreUnavailable, match="it has been closed"):
        store.revision("kauri")


def test_directory_and_seats_come_from_one_url(postgres_store: str) -> None:
    """`seatperm.open` needs no more than that."""
    catalog = seatperm.Catalog.load({"packages": {"basic": {}}})
    org = seatperm.open(catalog, postgres_store)
    org.users.add(id="ann", email="ann@kauri.example", name="Ann", roles=[])
    with org.sign_in("ann"):
        assert len(org.sessions) == 1
    org.close()


def test_the_page_names_every_setting_with_its_default() -> None:
    page = (Path(__file__).parent.parent / "docs" / "postgresql.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, flags=re.MULTILINE))
    where = PostgresURL("")
    assert rows == {
        name: f"{value:g}" if isinstance(value := getattr(where, name), float) else str(value) for name in OWN
    }
