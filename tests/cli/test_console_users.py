"""`tercel console users ...`: people come, change, and go."""

import json
from pathlib import Path

import pytest
from tests.cli.command import refused
from typer.testing import CliRunner, Result

pytest.importorskip("argon2", reason="the console needs the extra [trade]")

from tercel.api.console.people import People
from tercel.cli import app

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERCEL_PEOPLE", str(tmp_path / "people.json"))
    return tmp_path / "people.json"


def users(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["console", "users", *words], input=typed)


def test_people_come_change_and_go(file: Path) -> None:
    made = json.loads(users("add", "ann", "--role", "admin", "--json").stdout)
    assert len(made["password"]) == 16
    typed = users("add", "bob", "--json", typed="a long password\n")
    assert json.loads(typed.stdout)["password"] is None
    assert json.loads(users("add", "cid", "--oidc", "--json").stdout)["password"] is None
    assert users("role", "bob", "trader").exit_code == 0
    rows = json.loads(users("list", "--json").stdout)["users"]
    assert [(row["name"], row["role"], row["password"]) for row in rows] == [
        ("ann", "admin", True),
        ("bob", "trader", True),
        ("cid", "viewer", False),
    ]
    assert all("(tercel console users)" in row["by"] for row in rows)
    assert "trader" in users("list").stdout
    assert users("remove", "bob").exit_code == 0
    assert "bob" not in file.read_text()
    assert made["password"] not in file.read_text()
    other = file.with_name("mine.json")
    assert users("add", "ann", "--oidc", "--people", str(other)).exit_code == 0
    assert "ann" in other.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "ann", "--role", "boss"), "viewer, trader, risk, admin"),
        (("add", "a\nb"), "a name of 1 to 40"),
        (("role", "eve", "risk"), "the name of a person"),
        (("remove", "eve"), "the name of a person"),
        (("password", "eve"), "the name of a person"),
    ],
)
def test_what_cannot_be_is_said(file: Path, words: tuple[str, ...], said: str) -> None:
    refused(users(*words), said)
    assert not file.exists()


def test_another_password_is_typed_or_made(file: Path) -> None:
    users("add", "ann", "--role", "admin", typed="a long password\n")
    before = People(file).get("ann")
    made = json.loads(users("password", "ann", "--json").stdout)
    assert (made["name"], made["people"], len(made["password"])) == ("ann", str(file), 16)
    assert People(file).verify("ann", "a long password") is None
    assert People(file).verify("ann", made["password"]) is not None
    assert (
        json.loads(users("password", "ann", "--json", typed="another one\n").stdout)["password"]
        is None
    )
    after = People(file).verify("ann", "another one")
    assert before is not None
    assert after is not None
    assert (after.role, after.by) == ("admin", before.by)
    short = users("password", "ann", typed="short\n")
    assert (short.exit_code, "8 to 1,024" in short.stderr) == (2, True)
