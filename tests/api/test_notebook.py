"""The notebook of docs/reference/library.md, small; and what a result says, compared with the command line."""

import html
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.api.conftest import MARKET
from tests.policies import PPO
from typer.testing import CliRunner

import tercel as tc
from tercel.cli.agent_evaluate import show
from tercel.cli.root import app
from tercel.execution.strategies import build
from tercel.lab.evaluation.comparisons import Scores
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.evaluation.scenario import Scenario

EPISODES, SEED = 24, 7
NAMES = ["default", "half_now", "twap_take", "vwap_take"]
SMALL = {"learner.markets": 8, "learner.steps": 32, "learner.minibatch": 128, "market.worlds": 2}


@tc.strategy
def half_now(view: tc.View) -> tc.Intent:
    return tc.Intent(take=(view.left + 1) // 2)


@pytest.fixture(scope="module")
def agent(market: tc.Market, task: tc.Task) -> tc.Policy:
    return tc.train(
        market,
        task,
        algorithm="ppo",
        frames=512,
        seed=1,
        settings={**SMALL, "validation.episodes": 16},
    )


@pytest.fixture(scope="module")
def result(market: tc.Market, task: tc.Task, agent: tc.Policy) -> tc.Result:
    return tc.evaluate(
        [agent, *NAMES[:1], half_now, *NAMES[2:]], market, task, episodes=EPISODES, seed=SEED
    )


def test_the_notebook(result: tc.Result, agent: tc.Policy, tmp_path: Path) -> None:
    table = result.table()
    assert set(table["strategy"]) == {"ppo", *NAMES}
    assert table["shortfall_bps"].is_sorted()
    assert result.plot.costs().save(str(tmp_path / "mine.svg")) == tmp_path / "mine.svg"
    assert result.plot.costs().save(tmp_path / "figures").parent == tmp_path / "figures"
    assert (tmp_path / "mine.svg").read_text().startswith("<?xml")
    assert len(repr(result.plot.costs())) < 200
    assert result.plot.parts()._repr_html_().startswith("<figure")
    assert "against" in result.plot.differences("half_now").svg
    assert "half_now" in repr(result)
    assert "Orders of" not in str(result), "its card is for orders of this size"
    assert "<table" in result._repr_html_()
    assert result.episode(3).plot().svg.startswith(("<svg", "<img"))
    saved = agent.save(tmp_path / "mine")
    assert tc.load_policy(tmp_path / "mine").card == saved.card == agent.card
    assert saved.card.frames <= 512
    assert "half_now" in result.report(tmp_path / "a" / "page.html").read_text()


def test_the_table_and_the_task_say_what_was_judged(result: tc.Result, task: tc.Task) -> None:
    assert result.task == task
    rows = {row["strategy"]: row for row in result.table().rows(named=True)}
    assert list(rows) == result.ranked
    own = rows["half_now"]
    assert own["kind"] == "own"
    assert own["shortfall_bps"] == pytest.approx(np.mean(result.shortfall_bps["half_now"]))
    parts = ("spread_bps", "impact_bps", "timing_bps", "forced_bps", "fees_bps")
    assert sum(own[part] or 0.0 for part in parts) == pytest.approx(own["shortfall_bps"])
    versus = result.compare("half_now", result.best_baseline)
    assert own["vs_best_bps"] == versus.difference_bps
    assert rows[result.best_baseline]["vs_best_bps"] is None
    assert len(set(result.notes)) == len(result.notes)


def test_a_table_says_below_what_the_command_says(
    result: tc.Result, market: tc.Market, task: tc.Task, capsys: pytest.CaptureFixture[str]
) -> None:
    show(result.figures, Path("figures.json"), Path("page.html"))
    said = " ".join(capsys.readouterr().out.split())
    for one in judged_table(result.figures).sentences():
        assert one in said
        assert one in " ".join(repr(result).split())
    page = " ".join(html.unescape(result._repr_html_()).split())
    written = tc.evaluate(["twap_take", "vwap_take"], market, task, episodes=8, seed=SEED)
    for told in (said, page, " ".join(repr(written).split()), html.unescape(written._repr_html_())):
        assert "80 % power" in told
        assert "Benjamini" in told
    assert "default: " in page
    assert f"{written.compare('twap_take', 'vwap_take').detectable_bps:.2f}" in repr(written)


def test_a_comparison_is_the_mean_of_paired_differences_both_ways(result: tc.Result) -> None:
    for a, b in (
        ("default", "half_now"),
        ("half_now", "ppo"),
        ("twap_take", "vwap_take"),
        ("vwap_take", "default"),
    ):
        one, turned = result.compare(a, b), result.compare(b, a)
        gain = np.subtract(result.shortfall_bps[b], result.shortfall_bps[a]).mean()
        assert one.difference_bps == pytest.approx(gain, abs=1e-9)
        assert (one.a, one.b) == (a, b)
        assert turned.turned == one
        assert one.ci_low <= gain <= one.ci_high
        assert 0 <= one.p_adjusted <= 1
        assert one.detectable_bps > 0
        assert f"{a} is" in str(one)
    with pytest.raises(tc.TercelError, match="try 'default'"):
        result.compare("defualt", "half_now")
    with pytest.raises(tc.TercelError, match="twice"):
        result.compare("default", "default")


def test_json_reads_back_the_same(result: tc.Result, tmp_path: Path) -> None:
    text = json.dumps(result.to_json(), allow_nan=False)
    for back in (tc.Result.from_json(text), tc.Result.from_json(json.loads(text))):
        assert back.table().equals(result.table())
        assert back.to_json() == result.to_json()
        assert back.compare("half_now", "default") == result.compare("half_now", "default")
        assert back.plot.costs() == result.plot.costs()
        for what in (
            lambda one=back: one.episode(0),
            lambda one=back: one.report(tmp_path / "x.html"),
        ):
            with pytest.raises(tc.TercelError, match="read from JSON"):
                what()
    for wrong in ("{}", "[]", "no json", '{"format": 9}'):
        with pytest.raises(tc.TercelError):
            tc.Result.from_json(wrong)


def test_a_figure_of_differences_leaves_out_pairs_that_are_not_compared(result: tc.Result) -> None:
    back = tc.Result.from_json(result.to_json())
    pairs = [pair for pair in result.comparisons if {pair.a, pair.b} != {"half_now", "default"}]
    vars(back)["comparisons"] = tuple(pairs)
    with pytest.raises(tc.TercelError, match="a comparison of half_now and default"):
        back.compare("half_now", "default")
    shown = back.plot.differences("half_now").svg
    assert "against default" not in shown
    assert "against default" in result.plot.differences("half_now").svg
    assert "against twap_take" in shown
    with pytest.raises(tc.TercelError, match="try 'default'"):
        back.plot.differences("defualt")


def test_a_result_read_from_json_writes_no_file(result: tc.Result, tmp_path: Path) -> None:
    back = tc.Result.from_json(result.to_json())
    with pytest.raises(tc.TercelError, match="read from JSON"):
        back.write(tmp_path, tmp_path / "x.json", tmp_path / "x.html")
    assert not [*tmp_path.iterdir()]


def test_an_episode_is_the_one_that_was_judged(result: tc.Result) -> None:
    episode = result.episode(5)
    assert set(episode.table()["strategy"]) == {"ppo", *NAMES}
    for name in ("half_now", "default", "twap_take"):
        costs = episode.costs_bps[name]
        assert costs["is_bps"] == pytest.approx(result.shortfall_bps[name][5])
        parts = sum(
            value for key, value in costs.items() if key.endswith("_bps") and key != "is_bps"
        )
        assert parts == pytest.approx(costs["is_bps"])
        fills = episode.fills(name)
        assert fills["lots"].sum() == episode.lots
    # the first decision takes half, at arrival: 5 ms later the venue has it
    first = episode.fills("half_now").filter(pl.col("time_s") == 0.005)
    assert first["lots"].sum() == (episode.lots + 1) // 2
    costs = result.episodes().filter(pl.col("episode") == 5, pl.col("strategy") == "twap_take")
    assert costs.select("time", "side", "lots").rows() == [(None, episode.side, episode.lots)]
    parts = episode.costs_bps["twap_take"]
    assert costs["shortfall_bps"].to_list() == pytest.approx([parts["is_bps"]])
    assert costs["spread_bps"].to_list() == pytest.approx([parts["spread_bps"]])
    assert len(result.episodes()) == EPISODES * len(result.shortfall_bps)
    for number in (-1, EPISODES):
        with pytest.raises(tc.TercelError, match="from 0 to"):
            result.episode(number)
    with pytest.raises(tc.TercelError, match="try 'half_now'"):
        episode.fills("half_no")


def test_tables_become_those_of_pandas_without_pyarrow(
    result: tc.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    episode = result.episode(5)
    for table in (
        result.table(),
        episode.table(),
        episode.fills("twap_take"),
        result.episodes(),
    ):
        shown = table.to_pandas()
        assert list(shown.columns) == table.columns
        assert shown.iloc[0].to_dict() == pytest.approx(table.row(0, named=True), nan_ok=True)
        assert len(shown) == table.height


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, own_file: Path) -> dict[str, Any]:
    """What the command prints for the same candidates."""
    words = f"agent evaluate default --strategy {own_file}:half_now --against twap_take,vwap_take --market {MARKET}"
    out = tmp_path_factory.mktemp("out")
    words += " --share 0.1 --horizon 4min --decisions 4 --episodes 8 --seeds 7"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tercel.core.pool.os.cpu_count", lambda: 1)  # one process for all parts
        done = CliRunner().invoke(app, [*words.split(), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_figures_are_those_of_the_command(told: dict[str, Any], market: tc.Market) -> None:
    same = {key: value for key, value in told.items() if key != "out"}
    task = tc.Task(share=0.1, horizon="4min", decisions=4)
    names = ["default", half_now, "twap_take", "vwap_take"]
    found = tc.evaluate(names, market, task, episodes=8, seed=SEED)
    assert {key: value for key, value in found.figures.to_json().items() if key != "out"} == same
    versus = found.compare("default", "half_now")
    assert versus.p_adjusted == told["paired"]["default"]["half_now"]["p_adjusted"]
    assert versus.detectable_bps == told["power"]["default"]["half_now"]


def test_costs_are_those_of_the_episodes_run_one_by_one(market: tc.Market, task: tc.Task) -> None:
    result = tc.evaluate(["twap_take", "vwap_take"], market, task, episodes=EPISODES, seed=SEED)
    built = build_market(Scenario(market, task, seeds=(SEED,), episodes=EPISODES))
    for name in ("twap_take", "vwap_take"):
        costs = run_strategy(built.judged, task, built.plan, build(name, built.estimates))
        assert Scores.of({name: costs}, {}).bps[name][0].tolist() == list(
            result.shortfall_bps[name]
        )


@pytest.mark.parametrize(
    ("candidates", "told"),
    [
        (["twap_take", "twap_take"], "'twap_take' twice"),
        ([half_now, half_now, "twap_take"], "'half_now' twice"),
        ([tc.strategy(name="vwap_take")(half_now), "twap_take"], "which ships"),
        ([half_now], "at least one rule"),
        (["random"], "at least one rule"),
        (["twap_tale"], "twap_take"),
        ([3, "twap_take"], "decide"),
        ([tc.load_policy(PPO, "default"), "default", "twap_take"], "'default' twice"),
    ],
)
def test_what_makes_no_evaluation_is_told(
    market: tc.Market, candidates: list[Any], told: str
) -> None:
    with pytest.raises(tc.TercelError) as error:
        tc.evaluate(candidates, market, episodes=2)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("answer", "actions", "told"),
    [
        (lambda obs: np.zeros((len(obs), 8)), "placement", "numpy.argmax"),
        (lambda obs: np.zeros((len(obs), 8), np.float32), "placement", "tercel.save_policy"),
        (
            lambda obs: np.zeros((len(obs), 5)),
            "placement",
            "5 numbers per row are for other actions than these 8",
        ),
        (lambda obs: np.zeros((len(obs), 1), int), "placement", "reshape"),
        (lambda obs: np.zeros(len(obs)), "placement", "astype(int)"),
        (lambda obs: np.zeros(1, int), "placement", "every row"),
        (lambda obs: 0, "placement", "every row"),
        (lambda obs: np.full(len(obs), 8), "placement", "name the set"),
        (lambda obs: np.zeros(len(obs)), "allocation", "7 numbers per row"),
        (lambda obs: np.zeros((len(obs), 8)), "allocation", "actions=..."),
    ],
)
def test_an_answer_of_another_shape_is_told_how_to_go_on(
    answer: Any, actions: str, told: str
) -> None:
    strategy = tc.model_strategy(answer, "mine", actions=actions)
    with pytest.raises(tc.TercelError) as error:
        strategy.policy.act(np.zeros((3, 40), np.float32))
    assert told in str(error.value)


def test_a_network_that_yields_logits_is_told_so_where_it_is_judged(
    market: tc.Market, task: tc.Task
) -> None:
    network = tc.model_strategy(lambda obs: obs[:, :8], "network")
    with pytest.raises(tc.TercelError, match="argmax"):
        tc.evaluate([network, "twap_take"], market, task, episodes=2)
    torch = pytest.importorskip("torch")
    with pytest.raises(tc.TercelError, match="save_policy"):
        tc.model_strategy(torch.nn.Linear(50, 8), "module")


def test_a_model_says_what_its_actions_mean(market: tc.Market, task: tc.Task) -> None:
    class Model:
        def predict(self, obs: np.ndarray, deterministic: bool) -> tuple[np.ndarray, None]:
            return np.zeros(len(obs), np.int64), None

    with pytest.raises(tc.TercelError, match="model_strategy"):
        tc.evaluate([Model(), "twap_take"], market, task, episodes=2)
    found = tc.evaluate(
        [tc.model_strategy(Model(), "still"), "twap_take"], market, task, episodes=4
    )
    assert found.figures.counts["still"].forced_share >= 0
    assert (
        dict(zip(found.table()["strategy"], found.table()["kind"], strict=True))["still"] == "own"
    )


def test_an_episode_is_worked_on_the_clock_and_with_the_forecasts_that_it_was_judged_with(
    market: tc.Market,
) -> None:
    names = ["guarded+events", "default", "twap_take"]
    found = tc.evaluate(
        names, market, tc.Task(share=0.1, horizon="10min", decisions=20), episodes=4
    )
    kinds = {name: found.figures.kinds[name] for name in names}
    assert kinds == {"guarded+events": "baseline", "default": "learned", "twap_take": "baseline"}
    for number in range(4):
        episode = found.episode(number)
        paid = {
            name: (fills["price"] * fills["lots"]).sum()
            for name in names
            for fills in [episode.fills(name)]
        }
        cost = {name: episode.costs_bps[name]["is_bps"] for name in names}
        # one arrival price for all: what one pays more in money is what it costs more in bps
        more = {name: episode.side * (paid[name] - paid["twap_take"]) for name in names[:2]}
        ratio = [more[name] / (cost[name] - cost["twap_take"]) for name in more]
        assert ratio[0] > 0
        assert ratio[0] == pytest.approx(ratio[1], rel=1e-6)
