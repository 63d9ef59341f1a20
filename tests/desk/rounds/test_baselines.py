"""A desk at a venue learns what is ordinary from its own data: first minutes, its journal, never a simulator."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tercel.api.desk.config import parse_config
from tercel.api.desk.dependencies import dependencies_of
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.ports import Venue
from tercel.core.system import MonotonicClock
from tercel.desk.engine import monitor
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.market import Market
from tercel.signals.risk.seconds import Second
from tercel.venues.exchange import MarketSpec, SimulatedExchange

DESK = """
[desk]
rounds = 1
round_s = 60.0
decision_s = 10.0
warmup_s = 300.0
venue = "fix://127.0.0.1:1"
[[instrument]]
name = "AAA"
[[agent]]
name = "peg"
strategy = "peg_behind"
"""


def venue_of(tools: SimulatedMarkets) -> Venue:
    preset, source = tools.market(Market("csco-santa-fe"))
    return SimulatedExchange({"AAA": MarketSpec(source, 1, volume_per_s=preset.volume_per_s)})


def opened(venue: Venue, journal: MemoryJournal) -> DeskLoop:
    """A desk at a venue: nothing is known of its market but what it shows."""
    return assemble_desk(parse_config(DESK, "desk.toml"), journal, DeskDependencies(venue))


def test_a_first_session_says_that_it_learns_and_is_cautious_until_it_has(
    tools: SimulatedMarkets,
) -> None:
    journal = MemoryJournal(chained=False)
    built = opened(venue_of(tools), journal)
    built.run()
    (alert,) = [
        e for _, e in journal.read(0, (kinds.ALERT,)) if e.body["code"] == "LEARNS_BASELINE"
    ]
    assert "the first 240 s; until then its risk state is cautious" in alert.body["text"]
    (entry,) = [entry for _, entry in journal.read(0, (kinds.BASELINE,))]
    assert (entry.instrument, entry.body["seconds"]) == ("AAA", 240)
    first = built.posture_path[0][2]
    assert first.size_multiplier < 1, first
    assert built.posture_path[-1][2].reasons == ()


def test_the_next_session_begins_with_what_the_journal_has(tools: SimulatedMarkets) -> None:
    journal = MemoryJournal(chained=False)
    venue = venue_of(tools)
    opened(venue, journal).run()
    (learned,) = monitor.read_baselines(journal, venue.name).values()
    assert monitor.read_baselines(journal, "fix:live") == {}
    later = opened(venue, journal)
    known = later._states["AAA"].monitor.baseline
    assert known is not None
    assert np.array_equal(known.centre, learned.centre)
    assert known.threshold == learned.threshold
    later.run()
    alerts = [e.body["code"] for _, e in journal.read(0, (kinds.ALERT,))]
    assert alerts.count("LEARNS_BASELINE") == 1


def test_a_session_of_an_hour_replaces_it_at_its_end_by_ordinary_seconds_alone(
    monkeypatch: pytest.MonkeyPatch, tools: SimulatedMarkets
) -> None:
    seconds = monitor.OrdinarySeconds()
    monkeypatch.setattr(monitor, "MIN_BASELINE_S", 200)
    rng = np.random.default_rng(0)
    for _ in range(300):
        seconds.add(Second(*rng.poisson(5, 8).astype(float)))
    seconds.add(Second(*[np.nan] * 8))
    learned = seconds.baseline()
    assert (seconds.count, learned is not None) == (300, True)
    journal = MemoryJournal(chained=False)
    built = opened(venue_of(tools), journal)
    built.run()
    ordinary = built._states["AAA"].monitor.ordinary
    assert 0 < ordinary.count < 360 - 240 + 1  # none of them while it was cautious
    monkeypatch.setattr(monitor, "MIN_BASELINE_S", 1)
    for _ in range(200):
        ordinary.add(Second(*rng.poisson(5, 8).astype(float)))
    built.journal_baselines()
    told = [entry.body["seconds"] for _, entry in journal.read(0, (kinds.BASELINE,))]
    assert told == [240, ordinary.count]


def test_the_parts_of_a_desk_over_recorded_data_hold_no_simulated_baseline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = parse_config(
        DESK.replace("[[agent]]", '[data]\nlake = "x"\n[[agent]]', 1).replace(
            'venue = "fix://127.0.0.1:1"', 'stage = "replay"'
        ),
        "d.toml",
    )
    for name in ("refuse_short_day", "warm_up"):
        monkeypatch.setattr(f"tercel.api.desk.dependencies.{name}", lambda *_: None)
    monkeypatch.setattr("tercel.api.desk.dependencies.recorded_exchange", lambda *_, **__: None)
    monkeypatch.setattr(SimulatedMarkets, "anomaly_baselines", None)
    with ExitStack() as stack:
        made = dependencies_of(config, MonotonicClock())(tmp_path, tmp_path / "latch", stack)
    assert made.calm == {}
