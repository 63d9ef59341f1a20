"""The backward sweep against every policy there is; limit prices, market states; the command on a simulated tape."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from replications.__main__ import app
from replications.nevmyvaka import state, stored, study
from replications.nevmyvaka.rules import SubmitAndLeave, Swept
from replications.nevmyvaka.sweep import Tried, sweep
from tercel.cli import app as tercel
from tercel.core.errors import PolicyError
from tercel.execution.intent import ANCHOR, REST0, TAKE
from tercel.execution.probe_views import view_of

pytestmark = pytest.mark.release

STEPS, UNITS, ACTIONS, STATES = 3, 2, 2, 2


class Toy:
    """A market of two states. From each, four moments follow, as often as the next state is likely; what an action
    fills and costs depends on the state, the units and the action alone."""

    def __init__(self, seed: int, whole: bool = True) -> None:
        rng = np.random.default_rng(seed)
        shape = (STATES, UNITS, ACTIONS)
        units = np.arange(1, UNITS + 1)[None, :, None]
        part = rng.integers(0, units + 1, shape) if whole else rng.random(shape) * units
        self.left = part.astype(np.float64)
        self.paid, self.closed = rng.normal(size=shape), rng.normal(size=shape) + 1.0
        self.up = rng.integers(1, 4, STATES)  # of four moments, so many are followed by state 1

    def tried(self, rounds: int = 40) -> tuple[Tried, np.ndarray]:
        """Moments of both states; each four of a state are followed as `up` says."""
        of = np.repeat([0, 1], 4 * rounds)
        following = np.array(
            [
                4 * rounds * int(n % 4 < self.up[s]) + n % (4 * rounds)
                for n, s in enumerate(of.tolist())
            ]
        )
        return Tried(self.paid[of], self.closed[of], self.left[of], following), np.tile(
            of[:, None], UNITS
        )

    def worth(
        self, policy: dict[tuple[int, int, int], int], step: int, units: int, market: int
    ) -> float:
        """Expected cost to go of a policy, by recursion over the tree."""
        action = policy[step, units, market]
        if step == STEPS - 1:
            return float(self.closed[market, units - 1, action])
        later, total = (
            int(self.left[market, units - 1, action]),
            float(self.paid[market, units - 1, action]),
        )
        if later:
            for state_then, chance in ((1, self.up[market] / 4), (0, 1 - self.up[market] / 4)):
                total += chance * self.worth(policy, step + 1, later, state_then)
        return total


@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_finds_the_best_of_all_policies(seed: int) -> None:
    toy = Toy(seed)
    actions, values = sweep(*toy.tried(), STATES, STEPS)
    places = list(itertools.product(range(STEPS), range(1, UNITS + 1), range(STATES)))
    best = dict.fromkeys(range(STATES), np.inf)
    for chosen in itertools.product(range(ACTIONS), repeat=len(places)):
        policy = dict(zip(places, chosen, strict=True))
        for market in range(STATES):
            best[market] = min(best[market], toy.worth(policy, 0, UNITS, market))
    ours = {place: int(actions[place[0], place[1] - 1, place[2]]) for place in places}
    for market in range(STATES):
        assert values[0, UNITS - 1, market] == pytest.approx(best[market])
        assert toy.worth(ours, 0, UNITS, market) == pytest.approx(best[market])


def test_parts_of_units_cost_in_between() -> None:
    """A dynamic programme over the same toy with values interpolated by hand."""
    toy = Toy(7, whole=False)
    _, values = sweep(*toy.tried(), STATES, STEPS)
    value = toy.closed.min(axis=2)  # state, units
    for _ in range(STEPS - 1):
        known = np.concatenate([np.zeros((STATES, 1)), value], axis=1)
        then = np.stack(
            [
                [np.interp(toy.left[s], range(UNITS + 1), known[n]) for n in range(2)]
                for s in range(2)
            ]
        )
        chance = np.stack([1 - toy.up / 4, toy.up / 4], axis=1)[:, :, None, None]
        value = (toy.paid + (chance * then).sum(axis=1)).min(axis=2)
    np.testing.assert_allclose(values[0].T, value)


def test_cells_seldom_met_do_what_is_best_over_all() -> None:
    toy = Toy(1)
    tried, cells = toy.tried()
    cells = cells.copy()
    cells[0] = 2  # one moment alone
    actions, _ = sweep(tried, cells, 3, 1)
    assert actions[0, :, 2].tolist() == tried.closed.mean(axis=0).argmin(axis=1).tolist()


def test_one_price_for_all_that_is_left() -> None:
    view = view_of(left=90, touch=500)
    assert state.one_price(view, np.array([-7]))[0, [TAKE, REST0, ANCHOR]].tolist() == [0, 90, 493]
    assert state.one_price(view, np.array([state.MARKET]))[0, [TAKE, REST0]].tolist() == [90, 0]
    assert SubmitAndLeave(2).decide(view)[0, [REST0, ANCHOR]].tolist() == [90, 502]


def test_a_market_order_costs_half_the_spread_and_a_tick_a_level() -> None:
    first, second = 30, 20
    view = view_of(left=90, touch=500, far=502, far1=first, far2=second)
    assert state.immediate(view, np.array([first])).tolist() == [1.0]
    assert state.immediate(view, np.array([first + second])) == pytest.approx(
        1.0 + second / (first + second)
    )


def test_a_table_reads_back_and_decides_the_same(tmp_path: Path) -> None:
    setting, rng = study.SETTINGS[0], np.random.default_rng(3)
    actions = {
        name: rng.integers(0, 11, (setting.steps, setting.units, 3 ** len(which))).astype(np.int8)
        for name, which in study.VARIANTS.items()
    }
    table = study.Table(
        setting, -2, np.sort(rng.normal(size=(setting.units, 4, 2)).round(3)), actions
    )
    offsets = np.array([*study.STEPS_AWAY, state.MARKET])
    stored.keep(tmp_path, stored.Kept(table, "XYZ", 5000, ("2030-01-02",), True, offsets))
    back = stored.kept(tmp_path, "XYZ", setting)
    view = view_of(left=90, touch=500)
    for name, which in study.VARIANTS.items():
        mine = Swept(name, actions[name], offsets, table.cuts, which).decide(view)
        assert (
            Swept(name, back.table.actions[name], back.offsets, back.table.cuts, which).decide(view)
            == mine
        ).all()
    with pytest.raises(PolicyError, match="there are XYZ"):
        stored.kept(tmp_path, "QQQ", setting)


def test_every_shipped_table_reads() -> None:
    symbols = {path.name.rsplit("-", 3)[0] for path in stored.FOLDER.glob("*.json")}
    assert "CSCO" in symbols
    for symbol, setting in itertools.product(symbols, study.SETTINGS):
        assert stored.kept(stored.FOLDER, symbol, setting).symbol == symbol


def test_the_command_learns_and_judges_on_a_simulated_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "SETTINGS", (study.Setting(2, 4, 2),))
    lake, out = str(tmp_path / "lake"), str(tmp_path / "out")
    made = CliRunner().invoke(
        tercel,
        [
            "market",
            "simulate",
            "csco-santa-fe",
            "--days",
            "2",
            "--seconds",
            "3600",
            "--symbol",
            "TOY",
            "--out",
            lake,
        ],
    )
    assert made.exit_code == 0, made.stderr
    typed = ["nevmyvaka", "--lake", lake, "--symbol", "TOY", "--out", out, "--json"]
    result = CliRunner().invoke(app, [*typed, "--train", "--shares", "1000", "--seeds", "1"])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    (ours,) = told["ours"].values()
    assert ours["orders"] > 20
    assert set(ours["cost_bps"]) == {"market order", "submit and leave", *study.VARIANTS}
    assert told["published"]["over_private_percent"]["imbalance"] == 0.13
    assert Path(told["figure"]).stat().st_size > 5_000
    assert CliRunner().invoke(app, typed).exit_code == 2  # nothing is shipped for TOY
