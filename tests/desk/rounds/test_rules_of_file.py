"""A desk whose file declares the rules of its instrument trades within them, and another venue's listings get them."""

from contextlib import closing

import pytest

from tercel.api.simulated_desk import open_demo
from tercel.core.instrument_rules import load_rules
from tercel.core.venue_rules import NO_RULES
from tercel.desk.engine.assembly import declared_rules
from tercel.desk.engine.config import DeskConfig, InstrumentSection
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal

CONFIG = {
    "desk": {"rounds": 2, "round_s": 60.0, "warmup_s": 60.0, "decision_s": 5.0},
    "instrument": [{"name": "A", "rules": "XSHG", "previous_close": 14.76}],
    "agent": [{"name": "ann", "strategy": "twap_take"}],
    "order_arrivals": {"share": 0.5, "side": "buy"},
    "risk": {"posture": "off"},
}


def test_a_desk_of_a_file_trades_within_the_declared_rules() -> None:
    journal = MemoryJournal()
    desk = open_demo(DeskConfig.model_validate(CONFIG), journal)
    with closing(desk.session):
        listing = desk.session.listings["A"]
        assert listing.lot == 100
        assert (listing.rules.round_lots, listing.rules.low, listing.rules.high) == (1, 1328, 1624)
        assert listing.rules.windows == ()  # the simulated market's clock has no dates
        desk.run()
    sent = [e.body.get("command", e.body) for _, e in journal.read(kinds=[kinds.ORDER_OUT])]
    lots = [body["lots"] for body in sent if body.get("lots")]
    prices = [body["price"] for body in sent if body.get("price")]
    assert lots
    assert all(1328 <= price <= 1624 for price in prices)
    assert not [e for _, e in journal.read(kinds=[kinds.DENIED]) if "VENUE_RULES" in str(e.body)]


def test_a_section_declares_rules_for_a_listing_and_a_time() -> None:
    pytest.importorskip("exchange_calendars", reason="needs the extra [calendars]")
    section = InstrumentSection(name="A", rules="XSHG", previous_close=10.0)
    now_ns = load_rules("XSHG").session.day("2023-02-01")[0].start_ns
    rules = declared_rules(section, 0.01, 100, now_ns)
    assert (rules.round_lots, rules.low, rules.high) == (1, 900, 1100)
    assert rules.windows[0].start_ns == now_ns
    assert declared_rules(InstrumentSection(name="A"), 0.01, 100, now_ns) is NO_RULES
