"""Requests for quotes, case by case in both roles; and faults, which fail their cases."""

import pytest

from certify.fix.case import Bench, run
from certify.fix.suite import all_cases, reasons
from exchange.dealers import DealerVenue
from exchange.fix.quotes import QuoteService
from tercel.core.open_quotes import OpenQuotes
from tercel.fix.profiles import load

IDS = [f"Q{n:02d}" for n in range(1, 12)]
CASES = {(one.id, one.role): one for one in all_cases() if one.id[0] == "Q"}


def test_every_case_is_there_in_both_roles():
    assert sorted(CASES) == [(id_, role) for id_ in IDS for role in ("acceptor", "initiator")]
    for profile in ("generic-42", "binance"):
        assert set(IDS) <= set(reasons(profile, load(profile).profile.version))


@pytest.mark.parametrize(("id_", "role"), sorted(CASES))
def test_a_case_passes(id_, role, tmp_path):
    ended = run(CASES[id_, role], Bench(load("generic-44"), tmp_path))
    assert ended.passed, ended.detail


def takes_all(self, order, now_ns):
    self.over.pop(order.quote, None)
    self.hits.clear()
    return hit(self, order, min(now_ns, 1))


def nothing(self, *_arguments, **_words):
    return ""


hit = OpenQuotes.take_quote
FAULTS = {
    "quotes are taken twice and late": (OpenQuotes, "take_quote", takes_all, ["Q02", "Q03", "Q10"]),
    "what was withdrawn is not": (OpenQuotes, "apply_event", OpenQuotes._add_quote, ["Q05"]),
    "no quote is looked at": (QuoteService, "check", nothing, ["Q11"]),
    "nobody looks at last": (DealerVenue, "_mid_move_bps", lambda *_: 0.0, ["Q04"]),
    "dealers withdraw nothing": (DealerVenue, "_withdraw_stale", nothing, ["Q05"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_cases(fault, tmp_path, monkeypatch):
    owner, name, wrong, ids = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)
    monkeypatch.setattr("certify.fix.wire.PATIENCE_S", 0.5)
    monkeypatch.setattr("certify.fix.stage.PATIENCE_S", 0.5)
    terms = load("generic-44")
    passed = [
        id_ for id_ in ids if run(CASES[id_, "acceptor"], Bench(terms, tmp_path / id_)).passed
    ]
    assert passed == []
