"""A book from day to day: forecasts, a step, a session of a desk, what it paid, the next step; every number again."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.cli.test_forecast_road import told, typed
from tests.desk.rounds.forecast_material import DESK, NAMES, SIGNALS, prices
from typer.testing import CliRunner

from exchange.fix.server import serve_fix
from tercel.api.desk.folder import paid_of, weights_of
from tercel.cli import app
from tercel.market.flow.preset import load
from tercel.market.simulator.source import reactive
from tercel.venues.exchange import SimulatedExchange
from tercel.venues.exchange.market import MarketSpec

DAYS = 620
PORTFOLIO = '[forecasts]\nmodel = "o"\n[cost]\nbps = 30\n'
INSTRUMENTS = "".join(f'[[instrument]]\nname = "{name}"\n' for name in NAMES)
TWO = '[[instrument]]\nname = "AAA"\n[[instrument]]\nname = "BBB"\n'
TARGETS = 'orders = "targets"\ntargets = "book/targets.csv"\ncapital = 100_000\n'


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
    desk = (
        DESK.replace("[desk]", venue).replace(TWO, INSTRUMENTS).replace("rounds = 2", "rounds = 1")
    )
    Path("desk.toml").write_text(desk + TARGETS)
    told("signals", "train", "s.toml", "--out", "o")
    steps, asked = [told("portfolio", "run", "p.toml", "--out", "book")], list[dict[str, float]]()
    for day in (1, 2):
        asked.append({row["name"]: row["weight"] for row in steps[-1]["trades"]})
        typed("trade", "run", "desk.toml", "--desk", "desk")
        prices(DAYS + day).write_csv("prices.csv")
        steps.append(told("portfolio", "run", "p.toml", "--desk", "desk", "--out", "book"))
    paid, held = paid_of(tmp_path / "desk"), weights_of(tmp_path / "desk")
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
    assert page.count("<svg") == 3
    for one in steps:
        assert f">{one['at'][:10]}<" in page
    Path("book/steps.jsonl").write_text("no step\n")
    Path("book/targets.csv").unlink()
    refused = CliRunner().invoke(app, ["portfolio", "run", "p.toml", "--out", "book"])
    assert refused.exit_code == 2
    assert "row 1 of book/steps.jsonl" in " ".join(refused.output.split())
    assert not Path("book/targets.csv").exists()
