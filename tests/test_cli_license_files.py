"""Signed license files on the command line: a vendor's keys and files, and a host's installation."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

import seatperm
from seatperm.license_files import read

from .cli_books import Books, make

DEFAULT = ("--organization", "default", "--package", "trade")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(made: Books, tmp_path: Path) -> Books:
    """A host's files, a vendor's key `vendor.key`, and its public key `public.json`."""
    books = made.copied(tmp_path)
    public = books.out("license", "keygen", str(tmp_path / "vendor.key"), "--kid", "vendor")
    (tmp_path / "public.json").write_text(public, "utf-8")
    return books


def issued(books: Books, *terms: str) -> str:
    """Issue a file as `new.license`, and return its path."""
    path = books.folder / "new.license"
    path.write_text(books.out("license", "issue", "--key", str(books.folder / "vendor.key"), *terms), "utf-8")
    return str(path)


def keys(books: Books) -> tuple[str, str]:
    return "--keys", str(books.folder / "public.json")


def test_a_private_key_is_its_owner_s_alone(books: Books) -> None:
    """Nobody else may read the file, and what is printed for hosts has nothing of it."""
    file = books.folder / "vendor.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private, public = (json.loads((books.folder / name).read_text("utf-8")) for name in ("vendor.key", "public.json"))
    assert private["kid"] == public["kid"] == "vendor"
    assert private["d"] not in (books.folder / "public.json").read_text("utf-8")
    assert "d" not in public


def test_a_private_key_is_never_overwritten(books: Books) -> None:
    """Nor is a place that can't be written to a traceback."""
    file = books.folder / "vendor.key"
    before = file.read_text("utf-8")
    done = books.run("license", "keygen", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "never overwritten" in done.stderr
    assert file.read_text("utf-8") == before
    done = books.run("license", "keygen", str(books.folder / "no" / "such.key"))
    assert done.exit_code == 2
    assert "can't be made" in done.stderr


def test_what_is_issued_is_installed(books: Books) -> None:
    """With all its terms; it shows what changes, and the trail has it."""
    file = issued(
        books,
        *DEFAULT,
        *("--add-on", "payroll", "--session-limit", "4", "--user-limit", "9", "--seat-per", "user"),
        *("--reserve", "organization_admin=1", "--valid-from", "2020-01-01", "--valid-until", "2999-01-01"),
        *("--grace", "36h"),
    )
    told = books.out("license", "install", file, *keys(books))
    assert "36 hours" in told
    assert "318.00 NZD" in told
    assert books.json("license") == {
        "package": "trade",
        "add_ons": ["payroll"],
        "session_limit": 4,
        "user_limit": 9,
        "seat_per": "user",
        "reserved": {"organization_admin": 1},
        "valid_from": "2020-01-01T00:00:00+00:00",
        "valid_until": "2999-01-01T00:00:00+00:00",
        "grace": 36 * 3600,
        "standing": "valid",
        "monthly_charge": "318.00 NZD",
    }
    assert books.json("audit")[-1]["kind"] == "license.installed"


def test_inspecting_shows_what_is_signed_and_needs_no_store(books: Books) -> None:
    """For people and for programs; a file that no key has signed is not shown at all."""
    file = issued(books, *DEFAULT, "--session-limit", "2", "--install-by", "2998-01-31")
    bare: dict[str, str | None] = {"SEATPERM_CATALOG": None, "SEATPERM_STORE": None}
    shown = books.run("license", "inspect", file, *keys(books), env=bare)
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert {"Organization default", "Package trade", "Add-ons none", "Sessions at one time 2"} <= set(lines)
    assert {"Named users any number", "Valid until no end", "Grace after that none"} <= set(lines)
    found = books.json("license", "inspect", file, *keys(books))
    assert (found["organization"], found["key"], found["package"]) == ("default", "vendor", "trade")
    assert found["install_by"] == "2998-01-31T00:00:00+00:00"
    Path(file).write_text(Path(file).read_text("utf-8").replace(".", ".A", 1), "utf-8")
    refused = books.run("license", "inspect", file, *keys(books))
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_a_file_installed_again_is_told_to_change_nothing(books: Books) -> None:
    """And so is a preview of the license as it is."""
    file = issued(books, *DEFAULT)
    assert "Package" in books.out("license", "install", file, *keys(books))
    assert books.out("license", "install", file, *keys(books)) == "The license stays as it is.\n"
    assert books.out("license", "preview", "--package", "trade") == "The license stays as it is.\n"


def test_a_vendor_without_a_catalog_issues_by_names(books: Books) -> None:
    """They are looked up where the file is installed."""
    bare: dict[str, str | None] = {"SEATPERM_CATALOG": None, "SEATPERM_STORE": None}
    key = str(books.folder / "vendor.key")
    done = books.run("license", "issue", "--key", key, *DEFAULT[:2], "--package", "other", env=bare)
    public = json.loads((books.folder / "public.json").read_text("utf-8"))
    assert read(done.stdout, [public]).license == seatperm.License("other")


def test_a_refused_file_leaves_the_license(books: Books) -> None:
    """Exit code 2, the reason in one line, and nothing written."""
    other = issued(books, "--organization", "rimu", "--package", "trade")
    before = books.json("license"), books.json("audit")
    done = books.run("license", "install", other, *keys(books))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "another organization" in done.stderr
    assert (books.json("license"), books.json("audit")) == before


def test_keys_come_from_several_files_and_in_sets(books: Books) -> None:
    """For rotation: a key by itself, a set of keys, and a list."""
    new = json.loads(books.out("license", "keygen", str(books.folder / "new.key")))
    file = issued(books, *DEFAULT)
    old = json.loads((books.folder / "public.json").read_text("utf-8"))
    for number, value in enumerate((new, {"keys": [new, old]}, [old])):
        (books.folder / f"{number}.json").write_text(json.dumps(value), "utf-8")
    folder = str(books.folder)
    assert books.run("license", "inspect", file, "--keys", f"{folder}/0.json").exit_code == 2
    assert books.run("license", "inspect", file, "--keys", f"{folder}/0.json", *keys(books)).exit_code == 0
    assert books.run("license", "inspect", file, "--keys", f"{folder}/1.json").exit_code == 0
    assert books.run("license", "inspect", file, "--keys", f"{folder}/2.json").exit_code == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("issue", "--key", "{}/vendor.key", "--organization", "default", "--session-limit", "2"), "--package"),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--session-limit", "0"), "session_limit"),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--grace", "14"), "no duration"),
        (("issue", "--key", "{}/vendor.key", "--organization", "default"), "Say the package, with --package."),
        (("issue", "--key", "{}/vendor.key", *DEFAULT[:2], "--package", "trad"), "did you mean 'trade'?"),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--add-on", "payrol"), "did you mean 'payroll'?"),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--reserve", "admin=1"), "unknown role 'admin'"),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--valid-until", "2020-01-31"), "for --valid-until: "),
        (("issue", "--key", "{}/vendor.key", *DEFAULT, "--install-by", "2020-01-31"), "for --install-by: "),
        (("issue", "--key", "{}/public.json", *DEFAULT), "holds a public key"),
        (("issue", "--key", "{}/list.json", *DEFAULT), "holds no key"),
        (("issue", "--key", "{}/catalog.toml", *DEFAULT), "no JSON"),
        (("issue", "--key", "{}/none.key", *DEFAULT), "can't be read"),
        (
            *[("issue", "--key", "{}/vendor.key", "--catalog", "{}/catalog.toml", *DEFAULT[:2], "--package", "trad")],
            "did you mean 'trade'?",
        ),
        (("install", "{}/catalog.toml", "--keys", "{}/public.json"), "no signed license file"),
        (("install", "{}/books.db", "--keys", "{}/public.json"), "no signed license file"),
        (("install", "{}/catalog.toml", "--keys", "{}/vendor.key"), "public keys only"),
        (("install", "{}/catalog.toml", "--keys", "{}/catalog.toml"), "no JSON"),
        (("install", "{}/catalog.toml"), "--keys"),
    ],
)
def test_bad_input_is_told_in_one_block(books: Books, call: tuple[str, ...], said: str) -> None:
    """Exit code 2; and a private key is never part of what is told."""
    (books.folder / "list.json").write_text("[]", "utf-8")
    done = books.run("license", *(arg.format(books.folder) for arg in call))
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert json.loads((books.folder / "vendor.key").read_text("utf-8"))["d"] not in done.stderr


def test_an_issued_file_is_what_the_library_reads(books: Books) -> None:
    """What is not said is as in a license of nothing but its package."""
    text = Path(issued(books, *DEFAULT)).read_text("utf-8")
    public = json.loads((books.folder / "public.json").read_text("utf-8"))
    assert read(text, [public]).license == seatperm.License("trade")
