"""From files to a desk's first order, as a person types it: the same numbers in every place that tells them."""

import csv
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.desk.rounds.forecast_material import DESK, SIGNALS, prices
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core.serialization import to_jsonable
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import JournalReader

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROAD = [
    line.strip()
    for line in README.partition("**Forecast daily returns and trade them")[2].splitlines()
]
ROAD = [line for line in ROAD if line.startswith("tercel ")][:5]
"""The five commands, as the README has them."""
TARGETS = 'orders = "targets"\ntargets = "o/targets.csv"\ncapital = 100_000\n'
INSTRUMENTS = '[[instrument]]\nname = "AAA"\n[[instrument]]\nname = "BBB"\n'


def typed(*words: object) -> str:
    """What a command that went well said on stdout."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed(*words, "--json"))
    return found


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
    shown = to_jsonable(state.report())
    assert {name: shown["alphas"][name]["expected_bps"] for name in targets} == {
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
    checked = CliRunner().invoke(app, ["config", "check", str(tmp_path / "desk.toml")])
    assert checked.exit_code == 2
    assert "edited" in checked.output


def test_the_readme_shows_the_commands_that_the_page_runs() -> None:
    page = (ROOT / "docs" / "tutorials" / "signals.md").read_text(encoding="utf-8")
    commands = [line[2:] for line in page.splitlines() if line.startswith("$ tercel")]
    assert commands == ROAD
    assert "\n".join(f"    {one}" for one in commands) in README
