"""Orders that a venue takes, against a search through all prices and quantities; trading time against a count of seconds."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest

from tercel.core.errors import ConfigError
from tercel.core.instrument_rules import InstrumentRules, load_rules
from tercel.core.venue_rules import NO_RULES, TradingWindow, VenueRules
from tercel.core.vocabulary import FOREVER_NS

TICKS = ((0, 1), (40, 2), (60, 5))
WINDOWS = (TradingWindow(3, 10, False), TradingWindow(15, 22, True), TradingWindow(40, 50, True))


def takes_price(price: int, low: int, high: int) -> bool:
    """Whether a price is on its band's tick and within the limits, written down anew."""
    step = 1 if price < 40 else 2 if price < 60 else 5
    return price % step == 0 and price >= low and (high == 0 or price <= high)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (31, 71), (42, 58)])
def test_a_legal_price_is_the_nearest_that_is_no_worse_for_its_sender(low: int, high: int) -> None:
    rules = VenueRules(tick_table=TICKS, low=low, high=high)
    legal = [price for price in range(1, 140) if takes_price(price, low, high)]
    for price in range(1, 100):
        assert (rules.price_fault(price) == "") == takes_price(price, low, high)
        bids = [p for p in legal if p <= price]
        asks = [p for p in legal if p >= price]
        assert rules.legal_price(1, price) == max(bids, default=None), price
        assert rules.legal_price(-1, price) == min(asks, default=None), price


def test_legal_lots_are_the_most_that_the_venue_takes_and_odd_parts_are_sold_at_once() -> None:
    for round_lots, least, side, unsent in product((1, 4), (1, 9), (1, -1), range(1, 31)):
        for odd_sells in (False, True):
            rules = VenueRules(round_lots=round_lots, least_lots=least, odd_sells=odd_sells)
            sells_odd = side < 0 and odd_sells
            for lots in range(1, unsent + 1):
                fits = [
                    n
                    for n in range(1, lots + 1)
                    if (n % round_lots == 0 and n >= least)
                    or (
                        sells_odd
                        and (
                            n == unsent
                            or (n % round_lots and n % round_lots == unsent % round_lots)
                        )
                    )
                ]
                found = rules.legal_lots(side, lots, unsent)
                assert found == 0 or (found in fits and not rules.lots_fault(side, found))
                # an odd part that fits goes first; else the most
                odd = [n for n in fits if n % round_lots]
                assert found == max(odd or fits, default=0), (round_lots, least, side, unsent, lots)


def test_trading_time_is_a_count_of_seconds_and_an_order_ends_so_that_its_last_can_be_answered() -> (
    None
):
    stop = 2
    rules = VenueRules(WINDOWS, stop_ns=stop)
    is_open = [any(w.start_ns <= t < w.end_ns for w in WINDOWS) for t in range(60)]
    sending = [any(w.start_ns <= t < w.end_ns - stop for w in WINDOWS) for t in range(60)]
    for since in range(52):
        for until in range(since, 55):
            assert rules.trading_ns(since, until) == sum(is_open[since:until])
        assert rules.is_open(since) == is_open[since]
        assert rules.next_open_ns(since) == next(
            (t for t in range(since, 60) if sending[t]), FOREVER_NS
        )
        if is_open[since]:
            assert rules.next_stop_ns(since) == next(t for t in range(since, 60) if not sending[t])
        day_end = next((w.end_ns for w in WINDOWS if w.ends_day and w.end_ns > since), None)
        for length in range(1, 15):
            if day_end is None:
                assert rules.ends_ns(since, length) == since
                continue
            reached = [
                t
                for t in range(since, day_end)
                if sum(is_open[since:t]) == length - 1 and is_open[t]
            ]
            ends = reached[0] + 1 if reached else day_end
            window = next(w for w in WINDOWS if w.start_ns < ends <= w.end_ns)
            begins = max(window.start_ns, since)
            assert rules.ends_ns(since, length) == min(ends, max(window.end_ns - 2 * stop, begins))
    assert [rules.break_ns(t) for t in (3, 9, 12, 16, 45)] == [5, 5, 0, 0, 0]


def test_a_market_without_rules_refuses_nothing_and_keeps_wall_time() -> None:
    assert NO_RULES.refusal(1, 1, None, 5) == "" == NO_RULES.refusal(-1, 7, 3, 0)
    assert (NO_RULES.legal_lots(1, 7, 9), NO_RULES.legal_price(-1, 13)) == (7, 13)
    assert (NO_RULES.ends_ns(5, 10), NO_RULES.trading_ns(5, 15), NO_RULES.next_open_ns(9)) == (
        15,
        10,
        9,
    )
    assert NO_RULES.next_stop_ns(7) == FOREVER_NS


def test_refusals_name_what_was_received_and_what_is_taken() -> None:
    rules = VenueRules(
        WINDOWS, round_lots=100, tick_table=TICKS, low=20, high=80, market_orders=False
    )
    assert rules.refusal(1, 100, 50, 12) == "the market is closed"
    assert rules.refusal(1, 100, None, 5) == "market orders are not taken here"
    assert rules.refusal(1, 130, 50, 5) == "130 lots; multiples of 100"
    assert rules.refusal(1, 100, 41, 5) == "price 41 ticks; multiples of 2 there"
    assert rules.refusal(1, 100, 85, 5) == "price 85 ticks is beyond the daily limits 20 to 80"
    assert rules.refusal(1, 100, 50, 5) == ""


def test_rules_of_a_file_are_resolved_to_ticks_and_lots(tmp_path: Path) -> None:
    file = tmp_path / "hk.toml"
    file.write_text(
        '[session]\ntimezone = "Asia/Hong_Kong"\nwindows = [["09:30", "12:00"], ["13:00", "16:00"]]\n'
        "[orders]\nround_lot = 400\ntick_table = [[0.01, 0.001], [0.25, 0.005]]\nprice_limit = 0.1\n"
    )
    declared = load_rules("hk.toml", tmp_path)
    rules = declared.resolve(0.001, 1, from_ns=1_675_300_000 * 10**9, previous_close=0.3335)
    assert (rules.round_lots, rules.tick_table) == (400, ((10, 1), (250, 5)))
    assert (rules.low, rules.high) == (300, 367)  # 0.30015 and 0.36685, rounded half up
    assert len(rules.windows) == 10
    assert VenueRules.of(json.loads(json.dumps(asdict(rules)))) == rules
    assert declared.resolve(0.005, 400).round_lots == 1
    with pytest.raises(ConfigError, match="that the listed lot 300"):
        declared.resolve(0.001, 300)
    with pytest.raises(ConfigError, match=r"tick 0\.003"):
        declared.resolve(0.003)
    file.write_text(file.read_text().replace("round_lot", "round_lots"))
    with pytest.raises(ConfigError, match=r"hk\.toml: orders\.round_lots"):
        load_rules("hk.toml", tmp_path)


def test_the_limits_of_a_day_are_the_exchanges_own() -> None:
    """Shanghai: the previous close x (1 +- 10 %), rounded half up to a cent."""
    rules = load_rules("XSHG").resolve(0.01, 1, previous_close=1828.08)
    assert (rules.low, rules.high) == (164527, 201089)


def test_rules_in_python_are_those_of_the_file() -> None:
    shipped = load_rules("XSHG")
    assert InstrumentRules.model_validate(shipped.model_dump(mode="json")) == shipped
