"""The stage of a desk: what contradicts it, and what has to be so before it trades live."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tercel.api.demo.config import DemoConfig, demo_text, parse_config
from tercel.core.capabilities import Capabilities
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.desk.limits import Limits, default_file, read
from tercel.desk.rounds.build import limits_of
from tercel.desk.rounds.stage import (
    check_clock,
    check_live,
    check_stage,
    is_test_host,
    kills_tried,
    largest_loss,
    sentence,
)
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal
from tercel.venues.address import hosts_of

DAY = dt.datetime(2030, 1, 2, 12, tzinfo=dt.UTC)
NOW_NS = int(DAY.timestamp()) * 10**9
ROWS = '\n[[instrument]]\nname = "AAA"\n\n[[agent]]\nname = "ann"\nstrategy = "twap_take"\n'
OWN = '\n[limits.changed]\n"desk.daily_loss" = 1_500\n"desk.drawdown" = 1_000\n"desk.gross_value" = 5_000\n'


def desk(stage: str = "", venue: str = "simulated", more: str = "") -> DemoConfig:
    said = f'stage = "{stage}"\n' if stage else ""
    return parse_config(f'[desk]\n{said}venue = "{venue}"\n{more}{ROWS}', "desk.toml")


FIX = "fix://DESK@127.0.0.1:9878"
LAKE = '[data]\nlake = "lake"\n'


@pytest.mark.parametrize(
    ("stage", "venue", "more"),
    [
        ("", "simulated", ""), ("", FIX, ""), ("replay", "simulated", LAKE), ("shadow", "simulated", LAKE),
        ("shadow", FIX, ""), ("paper", FIX, ""), ("live", FIX, ""),
        ("paper", "fix://D@testnet.binance.vision:9000", ""), ("paper", "binance", ""),
        ("live", "binance:production", ""),
    ],
)  # fmt: skip
def test_what_fits_together(stage: str, venue: str, more: str) -> None:
    check_stage(desk(stage, venue, more))


@pytest.mark.parametrize(
    ("stage", "venue", "more", "told"),
    [
        ("", "simulated", LAKE, r"received no stage and a lake .* To go on: say it in \[desk\]"),
        ("live", FIX, LAKE, 'stage = "live" and a lake'),
        ("replay", FIX, LAKE, "leave one out"),
        ("replay", "simulated", "", r"name a lake under \[data\]"),
        ("shadow", "simulated", "", "or the venue whose public data are to be watched"),
        ("live", "simulated", "", 'name the venue, or say stage = "shadow"'),
        ("paper", "simulated", "", "name the venue"),
        ("paper", "fix://D@fix-oe.binance.com:9000", "", "fix-oe.binance.com .* name its testnet"),
        ("paper", "gate:/tmp/gate.sock", "", "a gate"),
        ("paper", "binance:production", "", "binance.com .* name its testnet"),
    ],
)
def test_what_contradicts_itself_is_refused_with_how_to_go_on(stage: str, venue: str, more: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_stage(desk(stage, venue, more))


def test_a_stage_that_is_misspelt_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="replay, shadow, paper, live; try 'shadow'"):
        desk("shaddow")
    with pytest.raises(ConfigError, match=r"desk.stage: a stage: .*name one of them"):
        desk("zzz")


def test_a_test_host_says_so() -> None:
    assert not any(is_test_host(host) for host in ("api.binance.com", "contest.example", "10.0.0.1", "", "detest.com"))
    assert all(is_test_host(host) for host in ("localhost", "::1", "uat-fix.bank.example", "TESTNET.binance.vision"))
    assert hosts_of("fix://D@venue.example:9878?profile=generic-44") == ["venue.example"]


def test_the_packaged_desk_has_no_stage() -> None:
    check_stage(config := parse_config(demo_text(), "demo.toml"))
    assert config.desk.stage == ""


# -- live -------------------------------------------------------------------------------------------------------------


def journal_with(folder: Path, *entries: Entry) -> Path:
    folder.mkdir(exist_ok=True)
    journal = SqlJournal(folder, "ann", "")
    journal.append(list(entries))
    journal.close()
    return folder


def operator(command: str, at: dt.datetime) -> Entry:
    body = {"id": 1, "command": command, "body": {}, "by": "ann", "reason": "drill"}
    return Entry(kinds.OPERATOR, 5, body=body | {"wall_ns": int(at.timestamp()) * 10**9})


def kill(event: str) -> Entry:
    return Entry(
        kinds.KILL, 6, agent="ann", body={"event": event, "scope": "ann", "by": "ann", "reason": "d", "open": 0}
    )


REARM = Entry(kinds.REARM, 7, agent="ann", body={"scope": "ann", "by": "ann", "reason": "done"})


@pytest.fixture
def tried(tmp_path: Path) -> Path:
    """A desk whose kill switch was tried at noon."""
    entries = operator("kill", DAY), kill("latched"), kill("confirmed"), operator("rearm", DAY), REARM
    return journal_with(tmp_path / "tried", *entries)


def live() -> tuple[DemoConfig, Limits]:
    config = desk("live", FIX, OWN)
    return config, limits_of(config)


def test_the_sentence_names_venue_account_and_the_largest_loss() -> None:
    assert sentence(*live()) == f"trade live at {FIX} as ann, lose 1,000 at most"
    assert largest_loss(read(default_file())) == "250,000"


def test_live_with_everything_passes(tried: Path) -> None:
    check_live(*live(), f" {sentence(*live())}\n", tried, NOW_NS)


def test_a_wrong_word_is_told_what_was_expected(tried: Path) -> None:
    for typed, said in (("yes", "'yes'"), ("", "none")):
        with pytest.raises(ConfigError, match=f"expected the words .*lose 1,000 at most.*; received {said}"):
            check_live(*live(), typed, tried, NOW_NS)


def test_live_without_limits_of_ones_own_is_refused(tried: Path) -> None:
    config = desk("live", FIX)
    with pytest.raises(ConfigError, match="limits in money that a person set; received the packaged ones"):
        check_live(config, limits_of(config), sentence(*live()), tried, NOW_NS)


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (operator("kill", DAY), kill("latched"), operator("rearm", DAY), REARM),  # never confirmed
        (operator("kill", DAY), kill("latched"), kill("confirmed")),  # still killed
        (operator("kill", DAY - dt.timedelta(days=1)), kill("latched"), kill("confirmed"), REARM),  # yesterday
        (kill("latched"), kill("confirmed"), REARM),  # not by a person
    ],
)  # fmt: skip
def test_live_without_a_kill_switch_that_was_tried_today_is_refused(entries: Any, tmp_path: Path) -> None:
    folder = journal_with(tmp_path / "desk", *entries)
    with pytest.raises(ConfigError, match="tried on 2030-01-02"):
        check_live(*live(), sentence(*live()), folder, NOW_NS)


def test_kills_that_were_tried_are_found_by_day(tried: Path, tmp_path: Path) -> None:
    assert kills_tried(tried) == {DAY.date()}
    assert kills_tried(tmp_path / "nowhere") == set()


def venue(ahead_ns: int | None, told: bool = True) -> Any:
    session = SimpleNamespace(ahead_ns=ahead_ns, unbooked=False, unrecorded="") if told else None
    return SimpleNamespace(capabilities=Capabilities(session=session))


def test_a_clock_that_is_off_or_unknown_is_refused(tmp_path: Path) -> None:
    check_clock(venue(90_000_000), ())
    check_clock(venue(-90_000_000), ())
    for ahead_ns in (110_000_000, -110_000_000):
        with pytest.raises(ConfigError, match=r"within 0\.1 s .*received one [+-]0\.110 s"):
            check_clock(venue(ahead_ns), ())
    with pytest.raises(ConfigError, match="does not tell its time"):
        check_clock(venue(None), (tmp_path,))


def test_behind_a_gate_its_last_heartbeat_tells_the_clock(tmp_path: Path) -> None:
    beats = [Entry(kinds.HEARTBEAT, n, body={"clock_s": clock_s}) for n, clock_s in enumerate((3.0, 0.02))]
    gate = journal_with(tmp_path / "gate", *beats, Entry(kinds.HEARTBEAT, 9, body={}))
    check_clock(venue(None, told=False), (gate, tmp_path))
