"""People of a console: their file, their passwords, and who may not confirm for whom."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("argon2", reason="the console needs the extra [trade]")

from tests.desk.console.desks import QUICK, Steady

from tercel.api.console.models import LoginBody
from tercel.api.console.people import DAY_S, People, check_name, generate_password
from tercel.core.errors import ConfigError

PASSWORD = "correct horse"


@pytest.fixture
def wall() -> Steady:
    return Steady(1e6)


@pytest.fixture
def people(tmp_path: Path, wall: Steady) -> People:
    found = People(tmp_path / "desks" / "people.json", wall, QUICK)
    found.add("ann", "admin", PASSWORD, "root")
    return found


def test_who_is_let_in_is_known_by_the_password_alone(tmp_path: Path, wall: Steady) -> None:
    """Hashed as argon2's library advises; other tests hash quicker."""
    people = People(tmp_path / "desks" / "people.json", wall)
    people.add("ann", "admin", PASSWORD, "root")
    assert people.verify("ann", "wrong") is None
    assert people.verify("nobody", PASSWORD) is None
    ann = people.verify("ann", PASSWORD)
    assert ann is not None
    assert (ann.role, ann.hash.split("$")[1]) == ("admin", "argon2id")
    assert PASSWORD not in people.path.read_text()
    assert people.path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in people.path.parent.iterdir() if not one.name.endswith(".lock")] == [
        "people.json"
    ]


def test_a_person_without_a_password_enters_by_none(people: People) -> None:
    people.add("bob", "risk", None, "ann (password)")
    assert people.verify("bob", "") is None
    assert people.verify("bob", generate_password()) is None


@pytest.mark.parametrize(
    "password", ["x" * 7, "x" * 1025, "x" * 5000, "caf\u00e9" * 250, "\udce4rger und Zorn"]
)
def test_no_password_is_taken_that_a_login_refuses(people: People, password: str) -> None:
    with pytest.raises(ConfigError, match="a password of 8 to 1,024 characters"):
        people.add("bob", "risk", password, "root")
    with pytest.raises(ConfigError, match="a password of 8 to 1,024 characters"):
        people.set_password("ann", password, "root")
    people.add("bob", "risk", "x" * 1024, "root")
    LoginBody(name="bob", password="x" * 1024)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accented_letter_is_one_in_either_form(people: People, forms: tuple[str, str]) -> None:
    """Keyboards of one system write it as one character, of another as a letter and an accent."""
    set_, typed = (unicodedata.normalize(form, "\u00dcberl\u00e4ufer \u1e69") for form in forms)
    people.add("bob", "risk", set_, "root")
    assert set_ != typed
    assert people.verify("bob", typed) is not None


def test_another_process_changes_the_file_and_it_counts_at_once(people: People) -> None:
    other = People(people.path, hasher=QUICK)
    other.add("bob", "viewer", PASSWORD, "root")
    assert [one.name for one in people.all()] == ["ann", "bob"]
    other.set_role("bob", "risk", "root")
    assert (people.get("bob") or people.all()[0]).role == "risk"
    other.remove("bob")
    assert people.get("bob") is None
    people.path.unlink()
    assert people.all() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.add("Ann ", "viewer", PASSWORD, "x"), "a name of 1 to 40"),
        (lambda p: p.add("ANN", "viewer", PASSWORD, "x"), "a name that is free"),
        (lambda p: p.add("\uff41nn", "viewer", PASSWORD, "x"), "a name that is free"),
        (lambda p: p.add("bob", "trador", PASSWORD, "x"), "try 'trader'"),
        (lambda p: p.add("bob", "trader", "short", "x"), "a password of 8"),
        (lambda p: p.set_role("bob", "risk", "x"), "the name of a person"),
        (lambda p: p.set_role("ann", "risk", "x"), "one admin at least"),
        (lambda p: p.remove("ann"), "one admin at least"),
        (lambda p: p.remove("bob"), "one of ann"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    people: People, change: Any, said: str
) -> None:
    before = people.path.read_bytes()
    with pytest.raises(ConfigError, match=said):
        change(people)
    assert people.path.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "a" * 41,
            "a\nb",
            "a\x00",
            "=1+1",
            "@x",
            "-x",
            "+x",
            "a (b)",
            "a,b",
            "a;b",
            'a"b',
            "a/b",
            "..",
        ),
        *(
            "\ud800",
            "a\u202eb",
            "a  b",
            "\u3164",
            "ann\u115f",
            "\u1160ann",
            "an\uffa0n",
            "ann\ufe0f",
            "ann\u2800",
        ),
    ],
)
def test_a_name_that_would_lie_in_a_journal_a_path_or_a_table_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match="a name of 1 to 40"):
        check_name(name)


@pytest.mark.parametrize("name", ["\u0430dmin", "eve \u0395", "\uff41\u0430", "\u0430\u03b1"])
def test_a_name_of_alphabets_that_look_alike_is_none(people: People, name: str) -> None:
    with pytest.raises(ConfigError, match="one alphabet"):
        people.add(name, "risk", PASSWORD, "ann (password)")


@pytest.mark.parametrize("name", ["limits", "root", "desk", "Root", "D esk", "\uff4cimits"])
def test_a_name_by_which_a_desk_or_its_machine_speaks_is_nobodys(people: People, name: str) -> None:
    with pytest.raises(ConfigError, match="limits, root, desk"):
        people.add(name, "risk", PASSWORD, "ann (password)")


@pytest.mark.parametrize(
    "name",
    ["\u0410\u043d\u043d\u0430", "\u0391\u03bd\u03bd\u03b1", "Jos\u00e9 2", "\u674e\u96f7 Lei"],
)
def test_a_name_of_any_one_alphabet_is_one(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"people": []}', '{"people": {"ann": 3}}', '{"people": {"ann": {}}}']
)
def test_a_file_that_is_none_lets_nobody_in(people: People, text: str) -> None:
    people.path.write_text(text)
    with pytest.raises(ConfigError, match=str(people.path)):
        people.verify("ann", PASSWORD)


def test_a_file_that_others_may_read_is_refused(people: People) -> None:
    people.path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        people.all()


def test_nobody_confirms_for_who_let_them_in_or_raised_them_within_a_day(
    people: People, wall: Steady
) -> None:
    wall.now += 2 * DAY_S
    people.add("bob", "risk", PASSWORD, "ann (password)")
    people.add("cid", "viewer", PASSWORD, "bob (password)")
    people.add("dan", "risk", PASSWORD, "root (tercel console users)")
    people.add("eli", "risk", PASSWORD, "root (tercel console users)")
    for one, other, bound in (
        *(("bob", "ann", True), ("ann", "bob", True)),  # nor the other way round
        *(("cid", "ann", True), ("cid", "bob", True)),  # let in by one who was let in; both by ann
        *(
            ("dan", "ann", False),
            ("dan", "eli", False),
        ),  # the command line is nobody at the console
        ("dan", "root", True),  # but who typed there may be the one who starts a desk
    ):
        assert people.are_dependent(one, other) == bound, (one, other)
    wall.now += DAY_S + 1
    assert not people.are_dependent("bob", "ann")
    people.set_role("bob", "viewer", "ann (password)")
    assert not people.are_dependent("bob", "ann"), "lowered is not raised"
    people.set_role("bob", "risk", "ann (oidc:https://issuer)")
    assert people.are_dependent("bob", "ann")
    wall.now -= 10 * DAY_S
    assert people.are_dependent("bob", "ann"), "a clock that was put back makes nothing older"


def test_who_is_gone_lets_nobody_in(people: People) -> None:
    people.add("bob", "admin", PASSWORD, "ann (password)")
    people.add("cid", "viewer", PASSWORD, "bob (password)")
    people.remove("bob")
    with pytest.raises(ConfigError, match="the name of a person"):
        people.add("dan", "risk", PASSWORD, "bob (password)")
    with pytest.raises(ConfigError, match="the name of a person"):
        people.set_role("cid", "risk", "bob (oidc:https://issuer)")
    assert [(one.name, one.role) for one in people.all()] == [("ann", "admin"), ("cid", "viewer")]


def test_a_file_without_who_let_people_in_is_refused(people: People) -> None:
    row = {"role": "admin", "hash": "", "by": "root (tercel console)", "s": people.now_s()}
    people.path.write_text(json.dumps({"people": {"ann": row}}))
    with pytest.raises(
        ConfigError, match=r"a file of people.*KeyError: 'lifters'.*tercel console users add"
    ):
        people.all()


@pytest.mark.parametrize("time", ["NaN", "-Infinity", "1e999", "1" + 400 * "0"])
@pytest.mark.parametrize("row", ['"s": %s, "lifters": {}', '"s": 0, "lifters": {"bob": %s}'])
def test_a_time_in_the_file_that_is_none_is_refused(people: People, row: str, time: str) -> None:
    people.path.write_text('{"people": {"ann": {"role": "admin", %s}}}' % (row % time))
    with pytest.raises(
        ConfigError,
        match=r"times finite; received a hash or a time of 'ann'|a file of people.*Overflow",
    ):
        people.all()
