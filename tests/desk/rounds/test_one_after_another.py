"""Desks that share a venue and its accounts, one after another: none takes the other's names."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.core.errors import DataError
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk, check_config
from tercel.desk.trading.heartbeat import trading_units
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.session_terms import SessionTerms
from tercel.execution.foresight.forecaster import save, shipped_forecaster
from tercel.execution.policies_packaged import folder_of
from tercel.market.simulator.terms import Fees

SMALL = """
[desk]
rounds = 1
round_s = 60.0
decision_s = 10.0
warmup_s = 240.0
[signals]
model = "off"
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[agent]]
name = "peg"
strategy = "peg_behind"
"""


def test_a_mark_keeps_the_names_of_two_desks_apart() -> None:
    config, tools = parse_config(SMALL, "desk.toml"), SimulatedMarkets()
    exchange = tools.exchange(config)
    names, rejected = [], []
    for mark in ("a-", "b-", "b-"):  # the last desk has forgotten to take a mark of its own
        journal = MemoryJournal(chained=False)
        assemble_desk(
            config, journal, DeskDependencies(exchange), terms=SessionTerms(name_tag=mark)
        ).run()
        names.append({entry.order for _, entry in journal.read(0, (kinds.ORDER_OUT,))})
        said = [entry.body for _, entry in journal.read(0, (kinds.REPORT_IN,))]
        rejected.append(sum(body.get("exec_type") == "rejected" for body in said))
    assert names[0]
    assert not names[0] & names[1]
    assert rejected[:2] == [0, 0]
    assert rejected[2] > 0


LARGE = """
[[agent]]
name = "agent"
strategy = "packaged:default-1"
"""


def test_a_parent_beyond_an_agents_card_is_worked_by_it_with_an_alert() -> None:
    for share, over in ((0.9, True), (0.1, False)):
        text = SMALL.partition("[[agent]]")[0].replace("rounds = 1", "rounds = 2") + LARGE
        config, journal = (
            parse_config(f"{text}[order_arrivals]\nshare = {share}\n", "desk.toml"),
            MemoryJournal(chained=False),
        )
        opened = open_demo(config, journal)
        opened.run()
        entries = [entry.body for _, entry in journal.read(0, (kinds.ALERT,))]
        told = [body["text"] for body in entries if body["code"] == "BEYOND_SIZE"]
        worked = {parent.order.strategy for parent in opened.session.ledger.parents}
        assert worked == {"packaged:default-1+alpha+posture"}
        assert bool(told) == over
        assert all("a round at most: in a thin market" in text for text in told)


def test_a_parent_by_hand_is_held_against_the_card_at_its_pace() -> None:
    config, journal = (
        parse_config(SMALL.partition("[[agent]]")[0] + LARGE, "desk.toml"),
        MemoryJournal(chained=False),
    )
    opened = open_demo(config, journal)
    (name, most), *_ = (
        (where, most) for (_, where), most in opened.slots["agent"].most_lots.items()
    )
    round_ns = round(config.desk.round_s * 1e9)

    def works(lots: float, horizon_ns: int, strategy: str = "") -> str:
        body = {
            "id": "mine",
            "instrument": name,
            "side": 1,
            "lots": int(lots),
            "horizon_ns": horizon_ns,
        }
        return opened.session.manager.make_request(
            {**body, "agent": "agent", "strategy": strategy, "limit_price": None}
        ).strategy

    def alerts() -> int:
        return sum(
            entry.body["code"] == "BEYOND_SIZE" for _, entry in journal.read(0, (kinds.ALERT,))
        )

    assert works(most, round_ns).startswith("packaged:default-1")
    assert works(2 * most, 3 * round_ns).startswith("packaged:default-1")
    assert works(9 * most, round_ns, "peg_touch") == "peg_touch"
    assert alerts() == 0
    assert works(2 * most, round_ns) == works(most, round_ns // 2) == works(most, round_ns)
    assert alerts() == 2


@pytest.mark.parametrize(
    ("market", "fees", "expected"),
    [
        ("csco-santa-fe", Fees(), {"NO_FEES", "WORKS_AS_GUARDED"}),
        ("ibm", Fees(0.0, 8.0, "bps"), set()),
    ],
)
def test_what_a_policy_does_not_know_of_costs_is_said_as_the_desk_starts(
    market: str, fees: Fees, expected: set[str]
) -> None:
    """What waiting costs where no earlier days tell it, and a venue's fees; the exchange of a simulated desk has none."""
    text = SMALL.partition("[[agent]]")[0] + LARGE
    named = text.replace('name = "AAA"', f'name = "AAA"\nmarket = "{market}"')
    config, journal = parse_config(named, "desk.toml"), MemoryJournal(chained=False)
    at_a_venue = config.model_copy(update={"data": config.data.model_copy(update={"lake": "l"})})
    exchange = SimulatedMarkets().exchange(config)
    listed = [
        replace(one, maker_rate=words[2], taker_rate=words[3])
        for one in exchange.listings()
        for words in [fees.kernel_values(one.tick)]
    ]
    exchange.listings = lambda: listed  # type: ignore[method-assign]
    assemble_desk(at_a_venue, journal, DeskDependencies(exchange))
    said = {entry.body["code"] for _, entry in journal.read(0, (kinds.ALERT,))}
    assert said & {"NO_FEES", "WORKS_AS_GUARDED"} == expected


def test_a_forecaster_that_is_missing_is_refused_before_the_desk_starts(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(folder_of("default-1"), folder)
    card = json.loads((folder / "card.json").read_text())
    card["action_parameters"]["flow"] = {"model": str(tmp_path / "none")}
    (folder / "card.json").write_text(json.dumps(card))
    text = SMALL.replace("peg_behind", f"policy:{folder}")
    with pytest.raises(DataError, match="the folder of a forecaster"):
        check_config(parse_config(text, "desk.toml"))


def test_a_closed_gate_is_said_as_an_unknown_cost_of_waiting_is(tmp_path: Path) -> None:
    """Where forecasts say nothing the policy is `guarded`, whatever is known of the cost of waiting."""
    row = {"days": [], "waiting": 0.4, "10": {"slope": 1.0, "speaks": True}}
    row["30"] = {"slope": 0.0, "speaks": False}
    made = shipped_forecaster()
    save(tmp_path, replace(made, card={**made.card, "recalibrated": {"AAA": row}}))
    text = SMALL.partition("[[agent]]")[0].replace('name = "AAA"', 'name = "AAA"\nmarket = "ibm"')
    text = text.replace("[signals]", f'[signals]\nflow = "{tmp_path.as_posix()}"')
    config, journal = parse_config(text + LARGE, "desk.toml"), MemoryJournal(chained=False)
    assemble_desk(config, journal, DeskDependencies(SimulatedMarkets().exchange(config)))
    alerts = [entry.body for _, entry in journal.read(0, (kinds.ALERT,))]
    assert ["AAA" in str(one) for one in alerts if one["code"] == "WORKS_AS_GUARDED"] == [True]


def test_a_lot_of_a_coin_is_worth_its_part_of_the_coin() -> None:
    """A lot of `ethbtc` is 0.01 ETH, at some 0.0282 BTC for a coin."""
    text = SMALL.replace('name = "AAA"', 'name = "AAA"\nmarket = "ethbtc"')
    (listing,) = SimulatedMarkets().exchange(parse_config(text, "desk.toml")).listings()
    assert listing.tick * listing.lot == pytest.approx(1e-6 * 0.01)
    assert (trading_units(listing)["tick"], trading_units(listing)["lot"]) == (1e-6, 0.01)
