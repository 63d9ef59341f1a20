"""A venue in shadow: the kit of venues, replay of the same stream byte for byte, streams that are kept, totals."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.desk.trading.desk_of_two import S, asked, by_name, csco

from certify.kits.feed import read_all
from certify.kits.venue import VenueConformance
from studies.tape.to_levels import to_levels
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import M_KIND, M_LOTS, M_PRICE, M_SIDE, CancelOrder, MarketRows
from tercel.core.ports import Entry, Venue
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.counterfactual_replay import CostObserver
from tercel.desk.trading.heartbeat import trading_units
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.session import Session
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.feeds import BinanceFeed, FeedOptions
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake, schema
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.exchange.level_totals import LevelTotals
from tercel.venues.exchange.named_markets import recorded_market
from tercel.venues.exchange.shadow import ShadowVenue
from tercel.venues.exchange.stream_file import RecordedStream

LATENCY = EntryLatency("constant", 40_000_000)
WORK = ("twap_take", "peg_touch", "twap_passive", "peg_behind")
ANY = """
[desk]
order_lots = 100_000_000
order_value = 1e15
gross_value = 1e15
messages = 20000
window_ms = 1000
daily_loss = 1e15
duplicate_ms = 0

[instruments."*"]
order_lots = 100_000_000
order_value = 1e15
gross_value = 1e15
long_lots = 100_000_000
short_lots = 100_000_000
messages = 10000
window_ms = 1000
daily_loss = 1e15
collar_bps = 500
reference_age_ms = 60_000
hours = "always"

[agents."*"]
order_lots = 100_000_000
order_value = 1e15
gross_value = 1e15
long_lots = 100_000_000
short_lots = 100_000_000
messages = 5000
window_ms = 1000
daily_loss = 1e15
"""


class TestShadow(VenueConformance):
    @pytest.fixture
    def venue(self) -> ShadowVenue:
        specs = {
            name: MarketSpec(csco(), seed, client_orders=0) for seed, name in enumerate("AB", 1)
        }
        return ShadowVenue(
            SimulatedExchange(specs), ["A", "B"], latency=EntryLatency("constant", 1_000_000)
        )


@pytest.fixture(scope="module", params=["orders", "totals"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded half hour, as single orders or as a feed of totals shows it."""
    folder = tmp_path_factory.mktemp(request.param)
    made = simulated_lake(folder / "orders", 0.5, days=("2003-01-13",))
    if request.param == "orders":
        return folder / "orders"
    instrument, events = made.read("SIM", "2003-01-13")
    Lake(folder / "totals").write(*to_levels(replace(instrument, source=()), events))
    return folder / "totals"


def markets(lake: Path, own: int = 256) -> dict[str, MarketSpec]:
    found = recorded_market(lake, None, None, 1, levels=True)
    return {name: replace(spec, client_orders=own) for name, spec in found.items()}


def session_at(venue: Venue, warm_s: float = 60.0) -> Session:
    gate = LimitGate(parse(ANY), venue.listings(), ["ann"])
    return open_session(venue, MemoryJournal(), gate, by_name, SessionTerms(warmup_s=warm_s))


def traded(
    venue: Venue, lots: int, horizon_s: int = 240, warm_s: int = 70
) -> tuple[list[Entry], CostObserver]:
    """Four parents, one after the other; all that the journal has, and what they cost."""
    with closing(session_at(venue, float(warm_s))) as session:
        costs = CostObserver(session)
        name = venue.listings()[0].instrument
        session.follow(name)
        session.run_until(session.now_ns + warm_s * S)
        for number, strategy in enumerate(WORK):
            request = asked(
                f"p{number}", lots, 1 - 2 * (number % 2), horizon_s, 12, strategy, instrument=name
            )
            session.manager.accept(request)
            session.run_until(session.now_ns + (horizon_s + 5) * S)
        return [entry for _, entry in session.journal.read()], costs


def but_its_name(entries: Sequence[Entry]) -> list[Entry]:
    """The journal without the name of its venue."""
    return [
        replace(one, body={**one.body, "venue": ""}) if one.kind == kinds.SESSION else one
        for one in entries
    ]


def alike(lake: Path, lots: int, folder: Path, **words: int) -> list[Entry]:
    """The journal of a replay, once a shadow and a shadow of the kept stream have given the same."""
    replayed, _ = traded(SimulatedExchange(markets(lake), latency=LATENCY), lots, **words)
    data = SimulatedExchange(markets(lake, 0))
    shadow = ShadowVenue(data, data.instruments, latency=LATENCY, keep=folder / "stream")
    shadowed, _ = traded(shadow, lots, **words)
    again = RecordedStream(folder / "stream")
    shown, _ = traded(ShadowVenue(again, data.instruments, latency=LATENCY), lots, **words)
    assert but_its_name(shadowed) == but_its_name(replayed)
    assert shown == shadowed
    return replayed


def test_shadow_and_replay_of_one_stream_are_the_same_bytes(lake: Path, tmp_path: Path) -> None:
    entries = alike(lake, 4000, tmp_path)
    assert sum(entry.body.get("exec_type") == "trade" for entry in entries) > 20
    assert {entry.body["code"] for entry in entries if entry.kind == kinds.ALERT} <= {
        "limit_warning",
        "limit_cleared",
    }
    assert [entry.body["event"] for entry in entries if entry.kind == kinds.PARENT][-1] == "done"


def test_a_real_day_of_binance_is_traded_in_shadow(shared_data: Path, tmp_path: Path) -> None:
    capture = shared_data / "binance-feed" / "spot_btcusdt_20240808.gz"
    day = read_all(BinanceFeed(), [capture], FeedOptions())[0]
    Lake(tmp_path / "lake").write(day.instrument, day.events)
    entries = alike(tmp_path / "lake", 200_000, tmp_path, horizon_s=50, warm_s=60)
    assert {entry.body["code"] for entry in entries if entry.kind == kinds.ALERT} <= {
        "limit_warning",
        "limit_cleared",
    }
    market = recorded_market(tmp_path / "lake", None, None, 1, levels=True)
    (listing,) = SimulatedExchange(market).listings()
    words = trading_units(listing)
    assert (words["tick"], words["lot"]) == (0.01, float(day.instrument.lot_units))
    assert words["lot"] < 1


def test_nothing_leaves(lake: Path, tmp_path: Path) -> None:
    data = SimulatedExchange(markets(lake, 0))
    ShadowVenue(data, data.instruments, keep=tmp_path / "stream").close()
    with pytest.raises(VenueError, match="nothing that is sent"):
        RecordedStream(tmp_path / "stream").send(CancelOrder("c", "o", "SIM", 1, "ann", 0))
    with pytest.raises(VenueError, match="open"):
        data.send(CancelOrder("c", "o", "SIM", 1, "ann", 0))


def test_an_instrument_that_is_not_shown_is_refused(lake: Path) -> None:
    data = SimulatedExchange(markets(lake, 0))
    with pytest.raises(VenueError, match="XYZ, which is not"):
        ShadowVenue(data, ["XYZ"])


@pytest.mark.parametrize("text", [b"", b"{}\n", b"no JSON"])
def test_a_file_that_is_no_stream_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(text)
    with pytest.raises(TapeError, match="stream"):
        RecordedStream(tmp_path / "stream")


def test_a_stream_that_was_cut_short_shows_what_is_whole(tmp_path: Path) -> None:
    specs = {name: MarketSpec(csco(), seed, client_orders=0) for seed, name in enumerate("AB", 1)}
    shadow = ShadowVenue(SimulatedExchange(specs), ["A", "B"], keep=tmp_path / "stream")
    shadow.step(shadow.now_ns + 30 * S)
    shadow.close()
    whole = events_of(tmp_path / "stream")
    times = np.concatenate([event.rows[:, 0] for event in whole])
    assert (np.diff(times) >= 0).all(), "rows of several instruments are in order of time"
    text = (tmp_path / "stream").read_bytes()
    (tmp_path / "cut").write_bytes(text[:-5])
    cut = events_of(tmp_path / "cut")
    assert len(cut) == len(whole) - 1
    assert all((a.rows == b.rows).all() for a, b in zip(cut, whole, strict=False))


def events_of(path: Path) -> list[MarketRows]:
    with closing(RecordedStream(path)) as stream:
        return [event for event in stream.step(1 << 62) if isinstance(event, MarketRows)]


def totals_of(rows: np.ndarray) -> dict[tuple[int, int], int]:
    """Totals by (side, price), by the last that was said of each."""
    told = {
        (row[M_SIDE], row[M_PRICE]): row[M_LOTS]
        for row in rows.tolist()
        if row[M_KIND] == schema.LEVEL_SET
    }
    return {at: lots for at, lots in told.items() if lots}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([1, -1]), st.integers(95, 99), st.integers(1, 9)
        )
    )
)
def test_totals_are_those_of_a_book_of_orders(told: list[tuple[int, int, int, int]]) -> None:
    """Orders are added where their number is free, and taken from where it is not."""
    orders: dict[int, list[int]] = {}
    rows, prints = [], 0
    for n, (who, *new) in enumerate(told):
        if who not in orders:
            orders[who] = list(new)
            rows.append([n, schema.ADD, who, *new, -1])
            continue
        one, kind = orders[who], schema.EXECUTE if n % 2 else schema.REDUCE
        lots = min(new[2], one[2])
        prints += lots if kind == schema.EXECUTE else 0
        rows.append([n, kind, who, one[0], one[1], lots, -1])
        one[2] -= lots
        if not one[2]:
            del orders[who]
    shown = LevelTotals(12).convert_rows(np.array(rows, np.int64).reshape(-1, 7))
    book: dict[tuple[int, int], int] = {}
    for side, price, lots in orders.values():
        book[side, price] = book.get((side, price), 0) + lots
    assert totals_of(shown) == book
    assert shown[shown[:, M_KIND] == schema.TRADE, M_LOTS].sum() == prints
    stood = np.array(
        [[9, schema.ADD, who, *one, -1] for who, one in orders.items()], np.int64
    ).reshape(-1, 7)
    first = LevelTotals(12).convert_rows(stood, snapshot=True)
    assert totals_of(first) == book


def test_rows_that_no_feed_of_totals_has_are_refused() -> None:
    with pytest.raises(TapeError, match="public feed"):
        LevelTotals(4).convert_rows(np.array([[1, 99, -1, 0, 2, 0, -1]]))
    with pytest.raises(TapeError, match="room"):
        LevelTotals(1).convert_rows(
            np.array([[1, schema.ADD, n, 1, 90 + n, 5, -1] for n in range(2)])
        )
