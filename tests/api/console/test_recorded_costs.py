"""Estimates of the console's form: those of `tercel.estimate`, from a lake, by the desk's clock."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.api.console.conftest import Place

import tercel as tc
from tercel.api.console.cost_estimates import RecordedCosts
from tercel.api.console.guard import HttpError
from tercel.api.console.models import QuoteBody
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake

BODY = {"desk": "test desk", "instrument": "AAA", "side": "buy", "qty": 10}


def desk_at(now_ns: int) -> Any:
    """A desk whose market has this time; of it only what an estimate asks for."""
    state = SimpleNamespace(ns=now_ns)
    return SimpleNamespace(
        lots=lambda _name, qty: int(qty),
        follower=SimpleNamespace(query=lambda ask: ask(state)),
        name="d",
    )


def test_without_a_lake_the_console_says_how_to_give_one(place: Place) -> None:
    asked = place.of("trader").post("/api/parents/estimate", json=BODY)
    assert (asked.status_code, asked.json()["remedy"]) == (
        409,
        "start `tercel console` with the option of a lake",
    )
    assert place.of("viewer").post("/api/parents/estimate", json=BODY).status_code == 403
    with pytest.raises(ConfigError):
        RecordedCosts(Path("no such lake"))


def test_a_desk_whose_market_has_no_date_is_told_so(tmp_path: Path) -> None:
    lake = simulated_lake(tmp_path, 0.3).root
    order = QuoteBody(desk="d", instrument="SIM", side="buy", qty=100)
    with pytest.raises(HttpError) as refused:
        RecordedCosts(lake).estimate(desk_at(9 * 3600 * NS_PER_SECOND), order)
    assert (refused.value.status, refused.value.parts["expected"]) == (
        409,
        "a desk that trades by the calendar",
    )


@pytest.mark.long
def test_the_form_says_what_the_command_says(tmp_path: Path) -> None:
    simulated_lake(tmp_path, 0.5)
    a_week_later = Lake(tmp_path).list()[-1].clock_ns("09:45") + 7 * 86_400 * NS_PER_SECOND
    costs = RecordedCosts(tmp_path)
    order = QuoteBody(desk="d", instrument="sim", side="buy", qty=100, minutes=5)
    found = costs.estimate(desk_at(a_week_later), order)
    expected = tc.estimate("SIM", "buy", 100, lake=tmp_path, start="09:45", horizon="5min")
    assert (found.rows, found.sentences) == (expected.rows(), expected.sentences())
    assert found.picture.startswith("<svg")
    with pytest.raises(HttpError) as refused:
        costs.estimate(desk_at(a_week_later), order.model_copy(update={"instrument": "NONE"}))
    assert (refused.value.status, "SIM" in str(refused.value.parts)) == (422, True)
