"""From files to a desk's first order, and a book from day to day, as a person types it: the same numbers in every place."""

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.cli.command import done as told, refused, shown as typed, tercel
from tests.desk.rounds.forecast_material import DESK, NAMES, SIGNALS as OF_PARQUET, prices

from exchange.fix.server import serve_fix
from tercel.api.desk.folder import weights_of
from tercel.api.desk.folder_costs import costs_by_session
from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.market.flow.registry import load
from tercel.market.simulator.source import reactive
from tercel.venues.exchange import SimulatedExchange
from tercel.venues.exchange.market_spec import MarketSpec

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROAD = [
    line.strip()
    for line in README.partition("**Judge your factor, forecast daily returns")[2].splitlines()
]
ROAD = [line for line in ROAD if line.startswith("tercel ")][:5]
"""The five commands, as the README has them."""
SIGNALS = OF_PARQUET.replace("prices.parquet", "prices.csv")
TARGETS = 'orders = "targets"\ntargets = "o/targets.csv"\ncapital = 100_000\n'
INSTRUMENTS = '[[instrument]]\nname = "AAA"\n[[instrument]]\nname = "BBB"\n'


def in_file(file: str, column: str) -> dict[str, float]:
    """A column of a file that a command wrote, by name."""
    with Path(file).open(encoding="utf-8") as rows:
        return {row["name"]: float(row[column]) for row in csv.DictReader(rows)}


@pytest.mark.long
def test_five_commands_lead_from_prices_to_a_first_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prices(620).write_csv("prices.csv")
    Path("s.toml").write_text(SIGNALS)
    Path("desk.toml").write_text(DESK.replace(INSTRUMENTS, "") + TARGETS)
    assert [command.split()[1:3] for command in ROAD] == [
        ["signals", "train"], ["signals", "predict"], ["signals", "backtest"], ["config", "check"], ["trade", "run"],
    ]  # fmt: skip
    train, predict, backtest, check, run = (command.split()[1:] for command in ROAD)
    told(*train)
    rows = {row["name"]: row for row in told(*predict)["rows"]}
    book = {row["name"]: row for row in told(*backtest)["weights"]}
    assert "(desk), valid" in typed(*check)
    ran = told(*run)
    written = in_file("forecast.csv", "expected_bps")
    assert written == {name: row["expected_bps"] for name, row in rows.items()}
    assert {name: row["expected_bps"] for name, row in book.items()} == written
    targets = in_file("o/targets.csv", "weight")
    best = sorted(written, key=lambda name: written[name])
    assert targets == {best[-1]: 1.0, best[0]: -1.0}
    assert {row["instrument"]: row["side"] for row in ran["parents"]} == targets
    for row in ran["parents"]:
        assert row["alpha_bps"] == written[row["instrument"]]
    forecasts = ran["forecasts"]
    assert forecasts["at"] == rows["AAA"]["at"]
    assert {one["name"] for one in forecasts["names"]} == set(targets)
    assert forecasts["without"] == []
    desk = tmp_path / "desk"
    why = " ".join(told("trade", "replay", "--desk", desk)["sentences"])
    assert any(f"{written[name]:+.1f} bps" in why for name in targets)
    assert f"Model {forecasts['model']} made it, known by {forecasts['at']}" in why
    assert any(
        f"The file of targets requested it, {name}: weight {weight:g} at " in why
        for name, weight in targets.items()
    )
    page = (desk / "report.html").read_text(encoding="utf-8")
    assert "Forecast versus realised" in page
    assert forecasts["model"] in page
    assert [page.count(f"{name}: weight") for name in targets] == [1, 1], "a target is told once"
    state = DeskState()
    with closing(JournalReader(desk)) as journal:
        for seq, entry in journal.read(0):
            state.apply(seq, entry)
        first = next(entry for _, entry in journal.read(0, (kinds.ORDER_OUT,)))
    assert first.instrument in targets
    alphas = to_jsonable(state.report())["alphas"]
    assert {name: alphas[name]["expected_bps"] for name in targets} == {
        name: written[name] for name in targets
    }
    assert {row.instrument for row in state.outcomes.waiting} == set(targets)
    assert not state.outcomes.scored


def test_a_desk_whose_folder_was_edited_trades_without_it_and_says_so(tmp_path: Path) -> None:
    prices(500).write_csv(tmp_path / "prices.csv")
    (tmp_path / "s.toml").write_text(SIGNALS)
    told("signals", "train", tmp_path / "s.toml", "--out", tmp_path / "o")
    (tmp_path / "desk.toml").write_text(DESK)
    card = tmp_path / "o" / "model" / "card.json"
    card.write_text(card.read_text().replace('"name": "small"', '"name": "large"'))
    said = " ".join(
        typed("trade", "run", tmp_path / "desk.toml", "--desk", tmp_path / "desk").split()
    )
    assert "Traded without a forecast: expected a card as it was written" in said
    refused(tercel("config", "check", tmp_path / "desk.toml"), "edited")


def test_the_readme_shows_the_commands_that_the_page_runs() -> None:
    page = (ROOT / "docs" / "tutorials" / "signals.md").read_text(encoding="utf-8")
    lines = [line[2:] for line in page.splitlines() if line.startswith("$ tercel")]
    commands = [line.partition(" | ")[0] for line in lines]
    assert commands == ROAD
    assert "\n".join(f"    {one}" for one in commands) in README


# -- a book from day to day: forecasts, a step, a session of a desk, what it paid, the next step ----------------------

DAYS = 620
PORTFOLIO = '[forecasts]\nmodel = "o"\n[cost]\nbps = 30\n'
ALL_NAMES = "".join(f'[[instrument]]\nname = "{name}"\n' for name in NAMES)
TWO = '[[instrument]]\nname = "AAA"\n[[instrument]]\nname = "BBB"\n'
OF_A_BOOK = 'orders = "targets"\ntargets = "book/targets.csv"\ncapital = 100_000\n'


@pytest.fixture
def port() -> Iterator[int]:
    """Of an exchange that outlives a desk's sessions."""
    preset = load("csco-santa-fe")
    markets = {
        name: MarketSpec(reactive(preset), 1, index=n, volume_per_s=preset.volume_per_s)
        for n, name in enumerate(NAMES)
    }
    with serve_fix(SimulatedExchange(markets), 0, ["TRADER"]) as server:
        yield server.port


@pytest.mark.long
def test_three_days_of_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.chdir(tmp_path)
    prices(DAYS).write_csv("prices.csv")
    Path("s.toml").write_text(SIGNALS.replace("[train]", "horizon = 1\n[train]"))
    Path("p.toml").write_text(PORTFOLIO)
    venue = f'[desk]\nvenue = "fix://TRADER@127.0.0.1:{port}"'
    desk = DESK.replace("[desk]", venue).replace(TWO, ALL_NAMES).replace("rounds = 2", "rounds = 1")
    Path("desk.toml").write_text(desk + OF_A_BOOK)
    told("signals", "train", "s.toml", "--out", "o")
    steps, asked = [told("portfolio", "run", "p.toml", "--out", "book")], list[dict[str, float]]()
    for day in (1, 2):
        asked.append({row["name"]: row["weight"] for row in steps[-1]["trades"]})
        typed("trade", "run", "desk.toml", "--desk", "desk")
        prices(DAYS + day).write_csv("prices.csv")
        steps.append(told("portfolio", "run", "p.toml", "--desk", "desk", "--out", "book"))
    paid, held = costs_by_session(tmp_path / "desk"), weights_of(tmp_path / "desk")
    assert len(paid) == 2, "a session is a day"
    assert [one["parents"] for one in steps[-1]["learned"]] == [len(rows) for rows in paid.values()]
    for told_of, rows in zip(steps[-1]["learned"], paid.values(), strict=True):
        _, bps, value = zip(*rows, strict=True)
        assert told_of["bps"] == pytest.approx(np.average(bps, weights=value))
        assert told_of["after"] != told_of["before"]
    assert steps[-1]["cost_believed"] == steps[-1]["learned"][-1]["after"]
    assert steps[0]["cost_believed"] == 30.0
    assert held is not None
    for row in steps[-1]["trades"]:
        assert row["held"] == held.get(row["name"], 0.0)
        assert row["asked"] == pytest.approx(asked[1].get(row["name"], 0.0))
    missed = sum(abs(held.get(name, 0.0) - asked[1].get(name, 0.0)) for name in NAMES)
    assert steps[-1]["missed"] == pytest.approx(missed)
    assert missed < 0.2, "the second session traded what was left of the way, not all of it again"
    for one in steps:
        best = max(one["tried"], key=lambda row: row["sharpe_net"])
        assert one["parameter"] == best["parameter"]
    lines = [json.loads(line) for line in Path("book/steps.jsonl").read_text().splitlines()]
    assert [line["at"] for line in lines] == sorted({one["at"] for one in steps})
    assert lines[-1]["learned"] == steps[-1]["learned"]
    page = Path("book/steps.html").read_text()
    assert page.count("<figure id") == 3
    for one in steps:
        assert f">{one['at'][:10]}<" in page
    Path("book/steps.jsonl").write_text("no step\n")
    Path("book/targets.csv").unlink()
    again = tercel("portfolio", "run", "p.toml", "--out", "book")
    refused(again, "row 1 of book/steps.jsonl")
    assert not Path("book/targets.csv").exists()
