"""The commands that ask: `check`, `can`, `explain`, `who-can`, `access`, `diff`."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from .cli_books import Books, make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(made: Books, tmp_path: Path) -> Books:
    return made.copied(tmp_path)


def test_check_sums_a_whole_catalog_up(made: Books) -> None:
    """One line, and exit code 0."""
    path = str(made.catalog)
    told = f"{path} is a whole catalog, 'Kauri accounting': 11 resources, 4 roles, 2 tiers, 1 add-on\n"
    assert made.out("check", path) == told
    assert made.json("check", path) == {
        "file": path,
        "valid": True,
        "name": "Kauri accounting",
        "resources": 11,
        "roles": 4,
        "tiers": 2,
        "add_ons": 1,
        "problems": [],
    }
    assert made.csv("check", path) == ["file,line,path,message,nearest"]


def test_check_tells_every_problem(tmp_path: Path, made: Books) -> None:
    """All at once, with where and the nearest names, and exit code 2."""
    broken = tmp_path / "broken.toml"
    broken.write_text(made.catalog.read_text("utf-8").replace('"stock" ', "").replace("stock = {", "stok = {", 1))
    text = broken.read_text().replace('sales = "view"', 'sales = "veiw"')
    broken.write_text(text)
    done = made.run("check", str(broken))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the catalog has 2 problems" in done.stderr
    assert "did you mean 'view'?" in done.stderr
    assert "did you mean 'stok'?" in done.stderr
    found = made.json("check", str(broken))
    assert found["valid"] is False
    assert [problem["nearest"] for problem in found["problems"]] == [["view"], ["stok"]]
    assert {problem["file"] for problem in found["problems"]} == {str(broken)}
    assert all(problem["line"] for problem in found["problems"])
    assert made.run("check", str(broken), "--format", "csv").exit_code == 2
    assert len(made.csv("check", str(broken))) == 3


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (("tom", "sales.invoices", "view"), True),
        (("tom", "sales.invoices", "edit"), False),
        (("tom", "sales.invoices", "edit", "--scope", "own"), True),
        (("tom", "stock", "view"), False),
        (("ana", "sales", "view"), False),
        (("nobody", "sales", "view"), False),
    ],
)
def test_can_says_yes_or_no(made: Books, question: tuple[str, ...], answer: bool) -> None:
    """By word and by exit code; an unknown user may do nothing."""
    done = made.run("can", *question)
    assert (done.stdout, done.exit_code) == (("yes\n", 0) if answer else ("no\n", 1))
    user, resource, action, *rest = question
    scope = rest[1] if rest else None
    assert made.json("can", *question) == {
        "user": user,
        "resource": resource,
        "action": action,
        "scope": scope,
        "allowed": answer,
    }
    assert made.csv("can", *question) == [
        "user,resource,action,scope,allowed",
        f"{user},{resource},{action},{scope or ''},{'yes' if answer else 'no'}",
    ]


def test_explain_reads_as_the_decision_does(made: Books) -> None:
    """The paragraph of `str(Decision)`, broken into lines; JSON is its `to_dict`."""
    org = made.org()
    for question, code in ((("tom", "stock", "edit"), 1), (("tom", "sales", "view"), 0)):
        decision = org.explain(*question)
        done = made.run("explain", *question)
        assert done.exit_code == made.run("explain", *question, "--format", "json").exit_code == code
        assert done.stdout.split() == str(decision).split()
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert made.json("explain", *question) == decision.to_dict()
        head, row = made.csv("explain", *question)
        assert head == "user,resource,action,scope,allowed,level,reason,summary,remedies"
        assert row.startswith(",".join([*question, "all", "no" if code else "yes"]))
    org.close()


def test_who_can_lists_users(made: Books) -> None:
    """As `org.who_can` does."""
    assert [user["id"] for user in made.json("who-can", "sales", "view")] == ["mere", "tom"]
    assert [user["id"] for user in made.json("who-can", "sales.invoices", "edit")] == []
    assert [user["id"] for user in made.json("who-can", "sales.invoices", "edit", "--scope", "own")] == ["mere", "tom"]
    assert "Mere Tāne" in made.out("who-can", "sales", "view")
    assert made.out("who-can", "sales.invoices", "edit") == "none\n"
    assert len(made.csv("who-can", "sales", "view")) == 3


def test_access_is_the_whole_table(made: Books) -> None:
    """A row for each resource and scope, with level, actions and where they come from."""
    org = made.org()
    rows = made.json("access", "tom")
    assert {(row["resource"], row["scope"]): (row["level"], row["actions"]) for row in rows} == {
        (resource, scope): (cell.level, list(cell.actions))
        for resource, cells in org.access("tom").table.items()
        for scope, cell in cells.items()
    }
    org.close()
    assert {row["resource"]: row["from"] for row in rows if row["scope"] == "own"}["sales.cards"] == [
        "override:sales.cards"
    ]
    assert "sales.invoices,own,edit,view; create; edit,role:sales_staff,Invoices," in made.csv("access", "tom")
    told = [line.split() for line in made.out("access", "tom").splitlines()]
    assert ["sales", "own,", "all", "view", "view", "role:sales_staff"] in told
    assert ["sales.invoices", "all", "view", "view", "role:sales_staff"] in told


def test_access_leaves_out_what_gives_nothing(made: Books) -> None:
    """Unless all is asked for; scopes stay on one line."""
    some = made.out("access", "tom")
    assert {line.split()[0] for line in some.splitlines()[2:] if line} == {
        *("organization.users", "sales", "sales.invoices", "sales.cards", "7")
    }
    assert made.out("access", "ana") == "none\n\n11 resources with nothing are left out; --all lists them.\n"
    every = made.out("access", "tom", "--all")
    assert "left out" not in every
    assert {row["resource"] for row in made.json("access", "tom")} <= set(every.split())
    narrow = made.run("access", "mere", "--all", env={"COLUMNS": "60"}).stdout.splitlines()
    assert any("  own, all  " in line for line in narrow)
    assert not any(line.split() == ["all"] for line in narrow)


def test_a_diff_tells_whether_a_new_catalog_changes_anything(books: Books) -> None:
    """Exit code 0 for nothing, 1 for something, 2 for a catalog that is none; the store stays as it is."""
    new = books.folder / "new.toml"
    text = books.catalog.read_text("utf-8")
    new.write_text(text.replace("Kauri accounting", "Kauri accounting 2"), "utf-8")
    same = books.run("diff", str(books.catalog), str(new))
    assert (same.exit_code, same.stdout.split()) == (0, ["Who", "gains", "or", "loses", "access", "none"])
    new.write_text(text.replace('"sales.invoices" = ["view", "edit:own"]', '"sales.invoices" = "view"'), "utf-8")
    before = sha256(books.store.read_bytes()).digest()
    done = books.run("diff", str(books.catalog), str(new), "--format", "csv")
    cause = """"the role 'sales_staff' says ""view"" on 'sales.invoices' instead of [""view"", ""edit:own""]\""""
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1:] == [
        f"{user},lost,sales.invoices,{action},own,{cause}" for user in ("mere", "tom") for action in ("create", "edit")
    ]
    told = books.run("diff", str(books.catalog), str(new)).stdout
    assert "sales.invoices (create:own, edit:own)" in " ".join(told.split()) or "(create:own," in told
    new.write_text(text.replace("[roles]", "[roles]\nclerk = {}"), "utf-8")
    broken = books.run("diff", str(books.catalog), str(new))
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert sha256(books.store.read_bytes()).digest() == before
