"""Files of queue-reactive markets, raking, and calibration: what is refused, and what comes back."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.core.errors import ConfigError
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions
from tercel.market.flow import load, names
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.calibrate import calibrate
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.queue_reactive.raking import add_expected, rake
from tercel.market.impact.law import law_on_card
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument


def test_shipped_presets_are_whole_and_small_and_those_that_were_judged_carry_a_law() -> None:
    """Read here, once: each is long."""
    shipped = {name: one for name in names() if (one := load(name)).model == "queue_reactive"}
    assert {"amzn", "sh600961", "goog", "ibm"} <= shipped.keys()
    for name, preset in shipped.items():
        assert isinstance(preset, QueueReactivePreset)
        assert preset.name == name
        assert preset.pack_parameters().nbytes < 1_250_000
        assert {"days", "calibrated", "tuned"} <= set(preset.card)
        law = law_on_card(preset.card)
        if preset.card.get("judged", True):
            assert law is not None
            assert (law.law, law.y, law.exponent) == ("translation", 1.0, 0.5)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the file of a market that is made up holds."""
    path = tmp_path_factory.mktemp("made") / "made.json"
    preset = made(1)
    preset.save(path)
    assert load(path) == preset
    return path.read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw.update(version=q.VERSION + 1), "version"),
        (lambda raw: raw["law"]["state"].__setitem__(7, -0.1), "table state holds -0.1"),
        (lambda raw: raw["law"]["before"].pop(), "table before has"),
        (lambda raw: raw["law"].pop("size"), "table size is missing"),
        (lambda raw: raw["scalars"].update(resolution_ns=0.0), "resolution_ns is 0"),
        (lambda raw: raw["scalars"].pop("window"), "scalar window is missing"),
        (lambda raw: raw["law"]["queue_edges"].__setitem__(0, 1e9), "does not ascend"),
        (lambda raw: raw["knobs"].update(value=-0.1), "value"),
        (lambda raw: raw["knobs"].update(anchor_fast=3.0), "anchor_fast"),
        (lambda raw: raw["knobs"].update(among=1.0), "among"),
        (lambda raw: raw["knobs"].update(lone=-1.1), "lone"),
        (lambda raw: raw["law"]["turned"].__setitem__(3, 0.0), "table turned holds 0"),
        (lambda raw: raw["law"].update(hidden_at=[0.1]), "table hidden_at has 1 numbers"),
        (lambda raw: raw["scalars"].update(hidden_again=1.0), "hidden_again is 1"),
        (lambda raw: raw["law"].update(other=[1.0]), "unknown"),
        (lambda raw: raw.update(width=64), "width 64"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, change, says: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "made.json"
    raw = json.loads(text)
    change(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(ConfigError, match=says):
        load(path)


def test_a_file_of_another_version_says_how_to_make_it_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(json.loads(text) | {"version": 3}))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "version 3 of the tables; this program reads version 5" in str(refused.value)
    assert "tercel market calibrate" in str(refused.value)


def test_products_of_tables_are_the_tables() -> None:
    """The joint tables that events are drawn from, against the two that each is made of."""
    preset = made(6)
    flow = preset.pack_parameters()
    for at, one, other in (
        (q.W_BEST, "fresh", "alone"),
        (q.W_SIGNED, "runs", "signs"),
        (q.W_TRADED, "trade", "activity"),
    ):
        first, second = (
            np.asarray(preset.law[name]).reshape(-1, q.EVENTS) for name in (one, other)
        )
        for i, j in ((0, 0), (1, 2), (len(first) - 1, len(second) - 1)):
            cell = at + (i * len(second) + j) * q.EVENTS
            np.testing.assert_allclose(flow[cell : cell + q.EVENTS], first[i] * second[j])


def test_raking_finds_the_law_that_drew_the_events() -> None:
    rng = np.random.default_rng(1)
    sizes = (4, 6)
    truth = [rng.lognormal(0.0, 0.7, (n, q.EVENTS)) for n in sizes]
    n = 60_000
    cells = np.stack([rng.integers(0, s, n) for s in sizes], axis=1).astype(np.int32)
    offsets = np.ones((n, 6))
    offsets[:, 0] = rng.random(n) < 0.7
    offsets[:, 3:5] = rng.uniform(0.5, 2.0, (n, 2))
    weight = truth[0][cells[:, 0]] * truth[1][cells[:, 1]]
    known = np.ones_like(weight)
    known[:, 0] = known[:, 1] = offsets[:, 0]
    known[:, 8:10] = offsets[:, 3:5]
    share = weight * known
    share /= share.sum(axis=1, keepdims=True)
    events = (np.cumsum(share, axis=1) < rng.random((n, 1))).sum(axis=1)
    found = rake(cells, offsets, events, sizes)
    fitted = found[0][cells[:, 0]] * found[1][cells[:, 1]] * known
    fitted /= fitted.sum(axis=1, keepdims=True)
    assert np.abs(fitted - share).mean() < 0.006


def test_what_is_expected_is_added_up_and_nothing_is_returned() -> None:
    rng = np.random.default_rng(2)
    tables, cells = (
        rng.uniform(0.1, 2.0, (5, q.EVENTS)),
        np.array([[0, 1], [1, 1], [1, 0]], np.int32),
    )
    offsets = rng.uniform(0.1, 2.0, (3, 6))
    expected = np.ones_like(tables)
    starts = np.array([0, 2])
    assert add_expected(cells, offsets, tables, starts, 1, expected, np.zeros(q.EVENTS)) is None
    known = np.ones((3, q.EVENTS))
    known[:, :2], known[:, 2 * q.MARKET :] = offsets[:, :1], offsets[:, 5:]
    known[:, 2 * q.CANCEL_AT_BEST : 2 * q.CANCEL_AT_BEST + 4] = offsets[:, 1:5]
    share = tables[cells[:, 0]] * tables[2 + cells[:, 1]] * known
    share /= share.sum(axis=1, keepdims=True)
    wanted = np.ones_like(tables)
    np.add.at(wanted, 2 + cells[:, 1], share)
    np.testing.assert_allclose(expected, wanted)


def day(preset: QueueReactivePreset, seconds: float) -> tuple[Instrument, object]:
    events = simulated_day(preset, 1, seconds, 0.0)
    return Instrument("TEST", "MADE", "2003-01-13", tick=0.01, lot=1), events


def test_calibrating_on_a_simulated_day_gives_its_market_back() -> None:
    truth = made(1, 0.2)
    found = calibrate(
        [day(truth, 12_000.0)], name="again", date="2026-01-01", lot_shares=1, skip_s=60.0
    )
    tuned = found.card["tuned"]
    for key, room in (
        ("rate", 0.1),
        ("markets", 0.15),
        ("spread", 0.12),
        ("lots", 0.15),
        ("sd60", 0.25),
    ):
        assert tuned[key]["pilots"] == pytest.approx(tuned[key]["tape"], rel=room), key


def test_tape_that_shows_the_touch_alone_is_refused(shared_data: Path) -> None:
    paths = [shared_data / "lobster-zips-20120621" / "LOBSTER_SampleFile_AMZN_2012-06-21_1.zip"]
    with LobsterFeed().days(paths, FeedOptions()) as found:
        imported = next(iter(found)).read()
    with pytest.raises(ConfigError) as refused:
        calibrate(
            [(imported.instrument, imported.events)], name="touch", date="2026-01-01", to_s=11_700.0
        )
    assert "levels behind the touch" in refused.value.expected
    assert "tape of 1 level a side" in refused.value.received
    assert "`model=santa_fe`" in refused.value.remedy


def test_too_little_tape_is_refused() -> None:
    with pytest.raises(ConfigError, match="events and"):
        calibrate([day(made(1), 300.0)], name="short", date="2026-01-01", lot_shares=1, skip_s=0.0)
    with pytest.raises(ConfigError, match="at least one day"):
        calibrate([], name="none", date="2026-01-01")
