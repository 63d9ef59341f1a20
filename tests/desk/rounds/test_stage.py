"""The stage of a desk: what contradicts it, and what has to be so before it trades live."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import demo_text
from tercel.core.capabilities import Capabilities
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.desk.engine.assembly import limits_of
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.live_checks import (
    check_clock,
    check_live,
    check_stage,
    confirmation_text,
    identity,
    kill_trial_days,
    largest_loss,
)
from tercel.desk.limits import Limits, hash_of, read_packaged
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal

DAY = dt.datetime(2030, 1, 2, 12, tzinfo=dt.UTC)
NOW_NS = int(DAY.timestamp()) * 10**9
ROWS = '\n[[instrument]]\nname = "AAA"\n\n[[agent]]\nname = "ann"\nstrategy = "twap_take"\n'
ROWS += '\n[signals]\norders = "none"\n'
OWN = '\n[limits.changed]\n"desk.daily_loss" = 1_500\n"desk.drawdown" = 1_000\n"desk.gross_value" = 5_000\n'


def desk(stage: str = "", venue: str = "simulated", more: str = "") -> DeskConfig:
    said = f'stage = "{stage}"\n' if stage else ""
    return parse_config(f'[desk]\n{said}venue = "{venue}"\n{more}{ROWS}', "desk.toml")


FIX = "fix://DESK@127.0.0.1:9878"
LAKE = '[data]\nlake = "lake"\n'
PLANTED = "[scenario.instrument.AAA]\ndrift = 0.1\n"


@pytest.mark.parametrize(
    ("stage", "venue", "more"),
    [
        ("", "simulated", ""), ("", FIX, ""), ("replay", "simulated", LAKE), ("shadow", "simulated", LAKE),
        ("shadow", FIX, ""), ("paper", FIX, ""), ("live", FIX, ""),
        ("paper", "fix://D@testnet.binance.vision:9000", ""), ("paper", "binance", ""),
        ("live", "binance:production", ""), ("paper", "binance:production", ""), ("paper", "gate:/tmp/gate.sock", ""),
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
        (
            "paper",
            FIX,
            PLANTED,
            r"received \[scenario\] and venue = .* To go on: delete \[scenario\]",
        ),
        ("shadow", FIX, PLANTED, "where markets are simulated"),
        ("replay", "simulated", LAKE + PLANTED, r"received \[scenario\] and \[data\]"),
    ],
)
def test_what_contradicts_itself_is_refused_with_how_to_go_on(
    stage: str, venue: str, more: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_stage(desk(stage, venue, more))


def test_a_stage_that_is_misspelt_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="replay, shadow, paper, live; try 'shadow'"):
        desk("shaddow")
    with pytest.raises(ConfigError, match=r"desk.stage: a stage: .*name one of them"):
        desk("zzz")


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


def operator(command: str, at: dt.datetime, *agents: str) -> Entry:
    body = {
        "id": 1,
        "command": command,
        "body": {"agents": list(agents)},
        "by": "ann",
        "reason": "drill",
    }
    return Entry(kinds.OPERATOR, 5, body=body | {"wall_ns": int(at.timestamp()) * 10**9})


def kill(event: str, by: str = "ann", scope: str = "ann") -> Entry:
    body = {
        "event": event,
        "scope": scope,
        "by": by if event == "latched" else "",
        "reason": "d",
        "open": 0,
    }
    return Entry(kinds.KILL, 6, agent=scope, body=body)


def rearm(scope: str = "ann") -> Entry:
    return Entry(kinds.REARM, 7, agent=scope, body={"scope": scope, "by": "ann", "reason": "done"})


REARM = rearm()


def begun(config: DeskConfig, stage: str = "paper", **other: object) -> list[Entry]:
    """How the journal of a desk begins that is as a desk that goes live, but for its stage and what is other."""
    limits = hash_of(limits_of(config))
    told = identity(config) | {"stage": stage} | other
    in_force = {"event": "in_force", "hash": told.pop("limits", limits), "limits": {}}
    return [
        Entry(kinds.SESSION, 1, body={"session": 1, "desk": told}),
        Entry(kinds.LIMITS, 1, body=in_force),
    ]


def drill(at: dt.datetime = DAY, agent: str = "ann") -> list[Entry]:
    """A person's kill of an agent, confirmed and taken back."""
    kills = kill("latched", scope=agent), kill("confirmed", scope=agent)
    return [operator("kill", at), *kills, operator("rearm", at), rearm(agent)]


@pytest.fixture
def tried(tmp_path: Path) -> Path:
    """A desk on paper whose kill switch was tried at noon."""
    return journal_with(tmp_path / "tried", *begun(live()[0]), *drill())


def live() -> tuple[DeskConfig, Limits]:
    config = desk("live", FIX, OWN)
    return config, limits_of(config)


WHY = 'stage = "live"'


def test_the_sentence_names_venue_account_and_the_largest_loss() -> None:
    assert confirmation_text(*live()) == f"trade live at {FIX} as ann, lose 1,000 at most"
    assert largest_loss(read_packaged()) == "250,000"


def test_live_with_everything_passes(tried: Path) -> None:
    check_live(*live(), f" {confirmation_text(*live())}\n", tried, NOW_NS, WHY)


def test_a_wrong_word_is_told_what_was_expected(tried: Path) -> None:
    for typed, said in (("yes", "'yes'"), ("", "none")):
        with pytest.raises(
            ConfigError, match=f"expected the words .*lose 1,000 at most.*; received {said}"
        ):
            check_live(*live(), typed, tried, NOW_NS, WHY)


def test_live_with_orders_that_are_drawn_at_random_is_refused(tried: Path) -> None:
    drawn = desk("live", FIX, OWN).signals.model_copy(update={"orders": "drawn"})
    config = desk("live", FIX, OWN).model_copy(update={"signals": drawn})
    with pytest.raises(ConfigError, match=r'at random by a seed .*say orders = "none" under'):
        check_live(config, limits_of(config), confirmation_text(*live()), tried, NOW_NS, WHY)


def test_live_without_limits_of_ones_own_is_refused(tried: Path) -> None:
    config = desk("live", FIX)
    with pytest.raises(
        ConfigError, match="limits in currency units that a person set; received the packaged ones"
    ):
        check_live(config, limits_of(config), confirmation_text(*live()), tried, NOW_NS, WHY)


@pytest.mark.parametrize(
    "entries",
    [
        begun(live()[0]),
        [*begun(live()[0]), operator("kill", DAY), kill("latched"), operator("rearm", DAY), REARM],  # never confirmed
        [*begun(live()[0]), operator("kill", DAY), kill("latched"), kill("confirmed")],  # still killed
        [*begun(live()[0]), *drill(DAY - dt.timedelta(days=1))],  # yesterday
        [*begun(live()[0]), kill("latched"), kill("confirmed"), REARM],  # not by a person
        drill(),  # nobody's
        [*begun(live()[0], ""), *drill()],  # without a stage, as at the simulated exchange
        [*begun(live()[0], "replay"), *drill()],
        [*begun(live()[0], "live"), *drill()],
        [*begun(live()[0], name="another"), *drill()],
        [*begun(live()[0], agents={"ann": "peg_touch"}), *drill()],
        [*begun(live()[0], agents={"ann": "twap_take", "bob": "twap_take"}), *drill()],
        [*begun(live()[0], limits="0" * 12), *drill()],
        [*begun(live()[0])[:1], *drill()],  # no limits in force
        [*begun(live()[0]), *drill()[:3], *begun(live()[0], ""), *drill()[3:]],  # another session took it back
        [*begun(desk("shadow", "simulated", LAKE + OWN), "shadow"), *drill()],  # over recorded data
        [*begun(live()[0]), kill("latched", "limits"), kill("confirmed"), operator("kill", DAY), REARM],  # the limits'
        [*begun(live()[0]), operator("kill", DAY), kill("latched", "limits"), kill("confirmed"), REARM],  # the limits'
        [*begun(live()[0]), operator("kill", DAY, "bob"), kill("latched"), kill("confirmed"), REARM],  # of another
        [*begun(live()[0]), *drill()[:3], rearm("bob")],  # another was taken back
        [*begun(live()[0]), operator("kill", DAY), kill("latched"), kill("confirmed", scope="bob"), REARM],
    ],
)  # fmt: skip
def test_live_without_a_kill_switch_that_this_desk_tried_today_is_refused(
    entries: Any, tmp_path: Path
) -> None:
    folder = journal_with(tmp_path / "desk", *entries)
    with pytest.raises(ConfigError, match="tried on 2030-01-02"):
        check_live(*live(), confirmation_text(*live()), folder, NOW_NS, WHY)


def test_kills_that_were_tried_are_found_by_day(tried: Path, tmp_path: Path) -> None:
    assert kill_trial_days(tried, *live()) == {DAY.date()}
    shadow = journal_with(
        tmp_path / "shadow",
        *begun(live()[0], "shadow"),
        *drill(DAY - dt.timedelta(days=3)),
        *drill(),
    )
    assert kill_trial_days(shadow, *live()) == {DAY.date(), DAY.date() - dt.timedelta(days=3)}
    late = journal_with(
        tmp_path / "late",
        *begun(live()[0]),
        kill("latched"),
        kill("confirmed"),
        operator("kill", DAY, "ann"),
        REARM,
    )
    assert kill_trial_days(late, *live()) == {DAY.date()}, (
        "the kill switch engages before the journal hears who asked"
    )
    assert kill_trial_days(tmp_path / "nowhere", *live()) == set()


def test_rows_that_were_put_into_a_journal_by_hand_are_no_evidence(tmp_path: Path) -> None:
    folder = journal_with(tmp_path / "desk", *begun(live()[0]))
    with closing(sqlite3.connect(folder / "journal.db")) as rows, rows:
        columns = [name for _, name, *_ in rows.execute("PRAGMA table_info(journal)")]
        [last] = rows.execute("SELECT * FROM journal ORDER BY seq DESC LIMIT 1")
        for n, one in enumerate(drill(), 1):
            row = dict(zip(columns, last, strict=True))
            row |= {"seq": row["seq"] + n, "kind": one.kind, "hash": "00"}
            rows.execute(
                f"INSERT INTO journal VALUES ({', '.join('?' * len(row))})", list(row.values())
            )
    with pytest.raises(ConfigError, match="a journal that is as it was written"):
        check_live(*live(), confirmation_text(*live()), folder, NOW_NS, WHY)


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
    beats = [
        Entry(kinds.HEARTBEAT, n, body={"clock_s": clock_s})
        for n, clock_s in enumerate((3.0, 0.02))
    ]
    gate = journal_with(tmp_path / "gate", *beats, Entry(kinds.HEARTBEAT, 9, body={}))
    check_clock(venue(None, told=False), (gate, tmp_path))
