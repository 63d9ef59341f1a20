"""`tercel trade run` with a stage: shadow with its bounds, replay of the day, what is refused, own fills scored."""

import datetime as dt
import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.command import done, refused, tercel
from typer.testing import CliRunner, Result

pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")

from tests.cli.test_trade_command import fix_exchange
from tests.core.test_installation import NOBODY
from tests.desk.console.desks import PASSWORD, QUICK, people_of
from tests.desk.rounds.test_stage import begun, drill, journal_with

from studies.tape.to_levels import to_levels
from tercel.api.console.people import People
from tercel.api.console.second_person import SecondPerson
from tercel.api.desk.config import read_config_and_text
from tercel.api.desk.desk import open_desk
from tercel.cli import app
from tercel.core import installation
from tercel.core.errors import TercelError
from tercel.core.system import user_name
from tercel.core.vocabulary import DAY_NS
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Events, Lake

pytestmark = pytest.mark.usefixtures("quick_hashes", "quick_pictures")
DESK = """
[desk]
stage = "shadow"
rounds = 2
round_s = 120.0
decision_s = 10.0
warmup_s = 60.0

[data]
lake = "lake"

[[instrument]]
name = "SIM"

[[agent]]
name = "peg"
strategy = "peg_touch"

[[agent]]
name = "taker"
strategy = "twap_take"

[order_arrivals]
share = 0.1

[risk]
posture = "off"

[limits.changed]
"desk.order_lots" = 100_000
"""


RISKED = '"desk.daily_loss" = 900\n"desk.gross_value" = 9000\n'
WANTED = "trade live at {venue} as peg, taker, lose 900 at most"
NOWHERE = "fix://DESK@127.0.0.1:1"


def live_desk(name: str = "CSCO", venue: str = NOWHERE) -> str:
    text = DESK.replace('"shadow"', f'"live"\nvenue = "{venue}"').replace("SIM", name)
    text = text.replace('lake = "lake"', "") + RISKED
    return text.replace("[order_arrivals]\nshare = 0.1", '[signals]\norders = "none"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk's file beside a recorded quarter of an hour of totals."""
    folder = tmp_path_factory.mktemp("stage")
    instrument, events = simulated_lake(folder / "orders", 0.25, days=("2003-01-13",)).read(
        "SIM", "2003-01-13"
    )
    Lake(folder / "lake").write(*to_levels(replace(instrument, source=()), events))
    (folder / "desk.toml").write_text(DESK, encoding="utf-8")
    return folder


def run(folder: Path, desk: str, change: tuple[str, str] = ("", ""), *more: object) -> Result:
    (folder / f"{desk}.toml").write_text(DESK.replace(*change), encoding="utf-8")
    return tercel("trade", "run", folder / f"{desk}.toml", "--desk", folder / desk, "--json", *more)


@pytest.fixture(scope="module")
def shadowed(folder: Path) -> dict[str, Any]:
    result = run(folder, "shadow")
    assert result.exit_code == 0, result.output
    assert "2 rounds of 120 s, SIM of 2003-01-13\n" in result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_desk_in_shadow_says_its_stage_and_both_bounds(
    folder: Path, shadowed: dict[str, Any]
) -> None:
    assert shadowed["stage"] == "shadow"
    assert list(shadowed["bounds"]) == ["optimistic_bps", "pessimistic_bps"]
    kept = json.loads((folder / "shadow" / "bounds.json").read_text())
    assert set(kept["parents"]) == {one["id"] for one in shadowed["parents"]}
    takes = [pair for name, pair in kept["parents"].items() if name.endswith("taker")]
    assert takes
    assert all(low <= high for low, high in takes)
    assert kept["laws"]["SIM"]["sigma_ticks"] > 0
    assert "Bounds" in (folder / "shadow" / "report.html").read_text()


def test_a_replay_of_the_day_fills_as_the_shadow_and_is_scored_against_its_bounds(
    folder: Path, shadowed: dict[str, Any]
) -> None:
    """A replay stands for fills: it lies near, and the figures say how near."""
    result = run(folder, "replay", ('"shadow"', '"replay"'))
    assert result.exit_code == 0, result.output
    replayed = json.loads(result.stdout)
    assert replayed["parents"] == shadowed["parents"]
    assert (replayed["stage"], replayed["bounds"]) == ("replay", None)
    words = ("trade", "tca", "--desk", folder / "replay", "--shadow", folder)
    score = done(*words[:-1], folder / "shadow")["bounds"]
    assert score["parents"] == len(shadowed["parents"])
    assert 0 <= score["within"] <= 1
    assert score["misses"].keys() <= {one["id"] for one in shadowed["parents"]}
    assert "Bounds in shadow" in (folder / "replay" / "tca.html").read_text()
    refused(tercel(*words[:-1], folder / "replay"), "a desk in shadow")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"shadow"', '"shaddow"'), "try 'shadow'"),
        (('lake = "lake"', ""), "name a lake under"),
        (('lake = "lake"', 'lake = "nowhere"'), "nowhere"),
        (('"shadow"', '"live"'), "recorded data"),
        (('name = "SIM"', 'name = "SAM"'), "SAM"),
    ],
)
def test_what_cannot_be_ends_with_two_and_how_to_go_on(
    folder: Path, change: tuple[str, str], told: str
) -> None:
    refused(run(folder, "refused", change), told)


@pytest.fixture
def agreed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The words that start a live desk, but for the second person; people of every role, and who runs this."""
    (folder / "going.toml").write_text(live_desk("SIM"), encoding="utf-8")
    if not (folder / "drilled").exists():
        now = dt.datetime.now(dt.UTC)
        journal_with(
            folder / "drilled",
            *begun(read_config_and_text(folder / "going.toml", {})[0]),
            *drill(now, "peg"),
        )
        people = people_of(folder, vic="viewer", tom="trader", bob="risk", eve="admin")
        rows = json.loads(people.path.read_bytes())[
            "people"
        ]  # as it stands, where the name is one that is reserved
        people.path.write_text(json.dumps({"people": rows | {user_name(): rows["eve"]}}))
        known = People(people.path, time.time, QUICK)
        known.add("puppet", "risk", PASSWORD, f"{user_name()} (tercel console users)")
    (folder / "people.json").chmod(0o600)
    (folder / "installation.toml").write_text(f'people = "{folder / "people.json"}"\n')
    monkeypatch.setattr(installation, "FILE", folder / "installation.toml")
    monkeypatch.setattr(installation.os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr("tercel.api.console.second_person.user_name", lambda uid: user_name())
    monkeypatch.setenv("TERCEL_PEOPLE", str(folder / "nowhere.json"))
    drilled = "--tried", folder / "drilled", "--confirm", WANTED.format(venue=NOWHERE)
    return "trade", "run", folder / "going.toml", "--desk", folder / "going", *drilled


@pytest.mark.parametrize(
    ("second", "password", "told"),
    [
        ("bob", "a guess of it", "'bob' with another password, or no user of that name"),
        ("nobody", PASSWORD, "'nobody' with another password, or no user of that name"),
        ("bob", "", "another password"),
        ("vic", PASSWORD, "vic, who is viewer"),
        ("tom", PASSWORD, "tom, who is trader"),
        (user_name(), PASSWORD, f"{user_name()}, who starts it"),
        ("puppet", PASSWORD, f"puppet beside {user_name()}: one of the two let in or raised the other"),
    ],
)  # fmt: skip
def test_nobody_goes_live_without_a_second_person(
    folder: Path, agreed: tuple[object, ...], second: str, password: str, told: str
) -> None:
    words = [*map(str, agreed), "--second", second]
    said = refused(CliRunner().invoke(app, words, input=f"{password}\n"), told)
    assert password not in said or not password
    assert not (folder / "going" / "journal.db").exists()


def test_with_a_second_person_a_desk_goes_to_its_venue_and_journals_who_agreed(
    folder: Path, agreed: tuple[object, ...]
) -> None:
    words = [*map(str, agreed), "--second", "bob"]
    said = refused(CliRunner().invoke(app, words, input=f"{PASSWORD}\n"), "127.0.0.1:1")
    assert "a second person" not in said, "nobody listens there"
    with fix_exchange() as where:
        (folder / "went.toml").write_text(live_desk("600961", where), encoding="utf-8")
        confirm = WANTED.format(venue=where)
        options: dict[str, Any] = {"folder": folder / "went", "tried": folder / "drilled"}
        bob = SecondPerson("bob", PASSWORD)
        with suppress(
            TercelError
        ):  # its clock is the market's, which is refused: before an order leaves
            open_desk(folder / "went.toml", second=bob, confirm=confirm, **options).close()
        live, *_ = [one for _, one in JournalReader(folder / "went").read(0, (kinds.OPERATOR,))]
    expected = {
        "command": "live",
        "by": f"{user_name()} (tercel.Desk), confirmed by bob (password)",
        "reason": confirm,
    }
    assert live.body == live.body | expected


def lake_with(folder: Path, name: str, last_s: float, silent_s: float = 0.0) -> Path:
    """A lake of two days: the desk's, and its first seconds, silent from 200 s on."""
    lake = Lake(folder / name)
    instrument, events = Lake(folder / "lake").read("SIM", "2003-01-13")
    lake.write(instrument, events)
    at_ns = pl.col("exch_ns") - instrument.session_open_ns
    after = pl.when(at_ns > 200 * 10**9).then(int(silent_s * 1e9)).otherwise(0)
    kept = events.to_frame().filter(at_ns < int(last_s * 1e9))
    kept = kept.with_columns(pl.col("exch_ns", "recv_ns") + DAY_NS + after)
    later = replace(
        instrument,
        date="2003-01-14",
        session_open_ns=instrument.session_open_ns + DAY_NS,
        session_close_ns=instrument.session_close_ns + DAY_NS,
        source=(),
    )
    lake.write(later, Events.from_frame(kept))
    return folder / name


def test_the_longest_day_is_the_default_and_one_that_is_too_short_is_refused_with_what_fits(
    folder: Path,
) -> None:
    lake = Lake(lake_with(folder, "short", 150.0))
    assert lake.longest("SIM") == Lake(folder / "lake").longest("SIM") == "2003-01-13"
    assert 140.0 < lake.span_s("SIM", "2003-01-14") <= 150.0
    lake_of = ('lake = "lake"', 'lake = "short"\ndate = "2003-01-14"')
    refused(
        run(folder, "too_short", lake_of),
        "expected 300 s of events: a warm-up of 60 s, 2 rounds of 120 s",
        "shorten warmup_s and round_s in [desk], name 2003-01-13, the longest day, or record a longer day",
    )
    assert run(folder, "long", ('lake = "lake"', 'lake = "short"')).exit_code == 0


def test_a_market_that_shows_no_event_is_said_first_and_its_parents_have_no_bounds(
    folder: Path,
) -> None:
    lake_with(folder, "hole", 1e6, silent_s=230.0)
    text = DESK.replace('lake = "lake"', 'lake = "hole"\ndate = "2003-01-14"')
    (folder / "hole.toml").write_text(text, encoding="utf-8")
    desk = folder / "in_hole"
    result = tercel("trade", "run", folder / "hole.toml", "--desk", desk)
    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.startswith("Do not rely on these costs: SIM showed no event for "), result.stdout
    assert "The desk's own cost leaves out impact, so it may be lower than both." in " ".join(
        result.output.split()
    )
    rows = [one for _, one in JournalReader(desk).read(0, (kinds.FEEDBACK,))]
    silent = {row.parent for row in rows if row.body.get("silent_s")}
    assert silent
    bounds = json.loads((desk / "bounds.json").read_text())
    assert set(bounds["parents"]) == {row.parent for row in rows} - silent
    page = (desk / "report.html").read_text()
    assert page.index("Do not rely on these costs") < page.index(" worked ")
