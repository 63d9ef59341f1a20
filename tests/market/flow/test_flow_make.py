"""A preset made from a lake, and the shipped ones made again from the real days."""

from pathlib import Path

import pytest

from tercel.core.errors import ConfigError, TapeError
from tercel.core.vocabulary import BUY
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions
from tercel.market.flow import load
from tercel.market.flow.santa_fe import SantaFePreset as Preset
from tercel.market.score.calibrated import make_preset
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Events, Instrument, Lake

S = 10**9
SOURCES = {
    "csco-santa-fe": ("nasdaq-2003-L1-messages/CSCO_2003_message_1.tar.zst", 0.01),
    "amzn-santa-fe": ("lobster-zips-20120621/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", None),
}


@pytest.fixture(scope="module")
def lake(toy: Preset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of the toy market, six hours each."""
    root = tmp_path_factory.mktemp("lake")
    for seed, date in enumerate(("1970-01-02", "1970-01-03", "1970-01-04"), 1):
        shift = 86_400 * S * seed
        events = simulated_day(toy, seed, 18_000.0)
        events.exch_ns[:] += shift
        events.recv_ns[:] += shift
        bounds = {"session_open_ns": shift, "session_close_ns": shift + 18_600 * S}
        Lake(root).write(Instrument("TEST", "TOY", date, 0.01, timezone="UTC", **bounds), events)
    return root


def test_a_day_without_bid_and_ask_for_half_an_hour_is_refused(lake: Path, tmp_path: Path) -> None:
    """As on a holiday: no bids for hours."""
    instrument, events = Lake(lake).read("TOY", "1970-01-02")
    kept = (events.side != BUY) | (events.exch_ns - events.exch_ns[0] > 7200 * S)
    Lake(tmp_path).write(instrument, Events.from_frame(events.to_frame().filter(kept)))
    with pytest.raises(ConfigError, match="stretches of 1970-01-02") as error:
        make_preset(
            tmp_path,
            "TOY",
            days=["1970-01-02"],
            held_out=[],
            name="x",
            date="2026-01-01",
        )
    assert "a bid and an ask" in str(error.value)


def test_a_made_preset_is_judged(lake: Path, toy: Preset) -> None:
    preset = make_preset(
        lake, "TOY", days=["1970-01-02", "1970-01-03"], held_out=["1970-01-04"], name="toy-again",
        date="2026-01-01", lot_shares=1, simulated_days=2,
    )  # fmt: skip
    assert preset.limit_rate == pytest.approx(toy.limit_rate, rel=0.1)
    assert preset.card["held_out_days"] == ["1970-01-04"]
    for key, row in preset.card["fit"].items():
        assert row["simulated_over_held_out"] == pytest.approx(1.0, abs=0.15), key


def test_a_single_day_is_split_by_half_hours(lake: Path) -> None:
    preset = make_preset(
        lake, "TOY", days=["1970-01-02"], held_out=[], name="one", date="2026-01-01", simulated_days=1
    )  # fmt: skip
    assert preset.card["seconds"] == pytest.approx(5 * 1800.0, rel=0.01)
    assert "half hour" in preset.card["held_out_days"][0]


def test_make_refuses(lake: Path) -> None:
    common = {"name": "x", "date": "2026-01-01"}
    with pytest.raises(TapeError, match="1970-01-09"):
        make_preset(lake, "TOY", days=["1970-01-09"], held_out=[], **common)
    with pytest.raises(ConfigError, match="at least one of each"):
        make_preset(lake, "TOY", days=["1970-01-02", "1970-01-03"], held_out=[], **common)


@pytest.mark.long
@pytest.mark.parametrize("name", SOURCES)
def test_shipped_presets_are_made_again(name: str, shared_data: Path, tmp_path: Path) -> None:
    shipped = load(name)
    source, tick = SOURCES[name]
    single = "half hour" in shipped.card["held_out_days"][0]
    held_out = [] if single else shipped.card["held_out_days"]
    store = Lake(tmp_path / "lake")
    with LobsterFeed().days([shared_data / source], FeedOptions(tick=tick)) as days:
        for day in days:
            if day.date in (*shipped.card["days"], *held_out):
                read = day.read()
                store.write(read.instrument, read.events)
    again = make_preset(
        store.root, shipped.symbol, days=shipped.card["days"], held_out=held_out, name=name, date="2026-11-20",
    )  # fmt: skip
    assert again.model_dump(exclude={"card"}) == shipped.model_dump(exclude={"card"})
    for key, row in shipped.card["fit"].items():
        printed = again.card["fit"][key]
        assert (printed["train"], printed["held_out"]) == pytest.approx(
            (row["train"], row["held_out"]), rel=1e-9
        ), key
        assert printed["simulated"] == pytest.approx(row["simulated"], rel=0.05), key
