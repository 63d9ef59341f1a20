"""Five parents that end in five ways: the run's report, the console and `tercel trade tca` tell one and the same."""

import json
import re
from html import unescape
from typing import Any

import pytest
from typer.testing import CliRunner

from tercel.api.demo import SimulatedMarkets
from tercel.api.desk.config import parse_config
from tercel.api.desk.run_page import page
from tercel.cli import app
from tercel.core.serialization import to_jsonable
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.desk.console.state import DeskState
from tercel.desk.engine.outcome import outcome_of
from tercel.desk.engine.runtime import open_desk
from tercel.desk.trading.journal.store import JournalReader, SqlJournal
from tercel.desk.trading.parent_orders.parent import ParentRequest
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
from tercel.desk.trading.tca.recorder import TcaRecorder

DESK = """
[desk]
warmup_s = 240.0
[signals]
model = "off"
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[instrument]]
name = "BBB"
[[agent]]
name = "ann"
strategy = "twap_take"
[[agent]]
name = "bob"
strategy = "twap_take"
"""
PARENTS = {
    "denied": {"lots": 999_999, "strategy": "immediate"},
    "half": {"lots": 400, "strategy": "twap_passive", "limit_price": "-2bps"},
    "filled": {"lots": 60, "strategy": "twap_take", "side": -1, "instrument": "BBB"},
    "expired": {"lots": 500, "strategy": "twap_take"},
    "killed": {"lots": 500, "strategy": "twap_take", "agent": "bob"},
}
USUAL = {"instrument": "AAA", "side": 1, "agent": "ann", "decisions": 20, "horizon_ns": 300 * S}
FIGURES = (
    "quantity",
    "filled",
    "unfilled",
    "refused",
    "is_bps",
    "opportunity_bps",
    "refusal_bps",
    "notional",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of them says of the five."""
    folder = tmp_path_factory.mktemp("desks") / "five"
    folder.mkdir()
    config, latch = parse_config(DESK, "desk.toml").with_desk(seed=3), KillLatch(folder / LATCH)
    journal = SqlJournal(folder, "test")
    opened = open_desk(config, journal, SimulatedMarkets().parts(config), latch=latch)
    session, recorder = opened.session, TcaRecorder(opened.session)
    opened.desk.warm_up()
    for name, words in PARENTS.items():
        session.accept(ParentRequest(name, **(USUAL | words)))
    session.run_until(session.now_ns + 100 * S)
    session.pause("expired", "ann: news")
    latch.kill("prices look wrong", "ann", 1, ["bob"])
    session.run_until(session.now_ns + 300 * S)
    recorder.close()
    opened.desk.cost_path.append(opened.desk.cost_bps())
    result = outcome_of(opened, folder)
    report = page(config, opened, result, folder, [])
    session.close()
    state = DeskState()
    for seq, entry in JournalReader(folder).read():
        state.apply(seq, entry)
    return {
        "result": result.to_json(), "report": report, "console": to_jsonable(state.report()),
        **{name: spoken("trade", name, "--desk", folder) for name in ("orders", "tca")},
    }  # fmt: skip


def spoken(*words: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_name(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    assert sorted(row[key] for row in rows) == sorted(PARENTS)
    return {row[key]: row for row in rows}


def same(one: float | None, other: float | None) -> bool:
    return (
        one is other
        if one is None or other is None
        else one == pytest.approx(other, rel=1e-12, abs=1e-12)
    )


def test_each_ended_as_it_should(told: dict[str, Any]) -> None:
    ended = {
        row["id"]: (row["status"], row["filled"] > 0, row["left"] > 0)
        for row in told["orders"]["parents"]
    }
    assert ended == {
        "denied": ("done", False, True),
        "half": ("done", True, True),
        "filled": ("done", True, False),
        "expired": ("expired", True, True),
        "killed": ("expired", True, True),
    }


def test_lots_and_costs_are_the_same_in_all_three(told: dict[str, Any]) -> None:
    report, tca = (
        by_name(told["result"]["parents"], "id"),
        by_name(told["tca"]["parents"], "parent"),
    )
    console, listed = (
        by_name(told["console"]["parents"], "parent"),
        by_name(told["orders"]["parents"], "id"),
    )
    for name in PARENTS:
        for figure in FIGURES:
            assert same(report[name][figure], tca[name][figure]), (name, figure)
        for figure in ("filled", "refused", "unfilled", "is_bps", "opportunity_bps"):
            assert same(console[name][figure], tca[name][figure]), (name, figure)
        left = tca[name]["unfilled"] + tca[name]["refused"]
        row = listed[name]
        assert (row["lots"], row["filled"], row["left"]) == (
            tca[name]["quantity"],
            tca[name]["filled"],
            left,
        )
        assert row["status"] == report[name]["status"] == console[name]["status"]
    assert tca["denied"]["refused"] == 999_999
    assert tca["denied"]["is_bps"] is None
    assert tca["filled"]["opportunity_bps"] is None


def test_sums_and_means_are_the_same_in_all_three(told: dict[str, Any]) -> None:
    total, summary, result = told["tca"]["total"], told["console"]["summary"], told["result"]
    for figure in ("filled", "unfilled", "refused"):
        assert sum(row[figure] for row in result["parents"]) == total[figure]
    assert (summary["lots"], summary["unfilled"], summary["refused"]) == tuple(
        total[figure] for figure in ("filled", "unfilled", "refused")
    )
    assert same(summary["is_bps"], total["is_bps"])
    assert same(result["parents_bps"]["mean"], total["is_bps"])
    shown = {row["name"]: row for row in told["console"]["agents"]}
    for name, agent in told["tca"]["agents"].items():
        assert same(shown[name]["is_bps"], agent["is_bps"])
        assert same(result["agents"][name]["is_bps"], agent["is_bps"])
        assert shown[name]["parents"] == agent["parents"]


def test_the_page_shows_them(told: dict[str, Any]) -> None:
    table = told["report"].split(f"<h2>Parents: {len(told['result']['parents'])}</h2>")[1]
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', table)
    shown = {
        name: [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)]
        for name, cells in rows
    }
    for row in told["result"]["parents"]:
        side, lots, filled, unfilled, refused = (
            shown[row["id"]][i].replace(",", "") for i in range(5)
        )
        assert [int(lots), int(filled), int(unfilled), int(refused)] == [
            row[key] for key in ("quantity", "filled", "unfilled", "refused")
        ]
        assert side == {1: "buy", -1: "sell"}[row["side"]]
        assert shown[row["id"]][-1] == row["status"]
