"""Markets and tasks: what belongs to which, recorded days, calibration, tuning."""

import logging
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests.api.conftest import MARKET
from tests.lobster_files import history
from typer.testing import CliRunner

import tercel as tc
from tercel.cli import app
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.simulator.days import DAYS

ORDER = tc.Order("10:30", "SIM", "buy", 5, "10min")


def test_the_market_owns_fees_and_latency_and_the_task_what_is_to_be_done() -> None:
    market = tc.load_market(
        MARKET, fees="1,5bps", latency=2.5, feed_latency="1,3", regimes="volatile", impact="none"
    )
    settings = Scenario(market, tc.Task(side=-1, share=0.2, horizon="1h", decisions=12))
    assert settings.market.fees == tc.Fees(1.0, 5.0, "bps")
    assert settings.task.latency == tc.Latency("constant", 2_500_000)
    assert settings.task.feed_latency == tc.Latency("uniform", 1_000_000, 3_000_000)
    assert (settings.market.regimes, settings.market.impact) == ("volatile", "none")
    assert (settings.task.side, settings.task.horizon_s, settings.task.decisions) == (
        -1,
        3600.0,
        12,
    )
    assert market.lots(tc.Task(quantity=70)) == 70
    assert market.lots(tc.Task(share=0.2)) == pytest.approx(
        2 * market.lots(tc.Task(share=0.1)), abs=1
    )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda lake: tc.load_market("csco-2033"), "csco-santa-fe"),
        (lambda lake: tc.load_market(MARKET, impact="square_root"), "translation"),
        (lambda lake: tc.load_market(MARKET, regimes="stormy"), "volatile"),
        (lambda lake: tc.load_market(MARKET, fees="much"), "MAKER,TAKER"),
        (lambda lake: tc.load_market(MARKET, latency=-1), "milliseconds"),
        (lambda lake: tc.replay(lake, "SIN"), "SIM"),
        (lambda lake: tc.replay(lake, "SIM", impact="weights"), "propagator"),
        (lambda lake: tc.replay(lake, "SIM", days=["2003-01-20"]), DAYS[0]),
        (lambda lake: tc.replay(lake, "SIM", queue="guess"), "power_prob"),
        (lambda lake: tc.Market(), "load_market"),
        (lambda lake: tc.Task(horizon="soon"), "30min"),
        (lambda lake: tc.Task(end="12:30"), "add start"),
        (lambda lake: tc.Task(start="10:30", end="12:30", horizon=60), "leave one out"),
        (lambda lake: tc.Task(start="25:00"), "HH:MM"),
        (lambda lake: tc.Task(start="12:30", end="10:30"), "an end after the start"),
        (lambda lake: tc.Task(quantity=-1), "quantity"),
        (lambda lake: tc.Task(quantity=0), "at least 1"),
        (lambda lake: tc.Task(share=0.1, quantity=70), "leave one out"),
        (lambda lake: tc.Task(side="long"), "buy, sell, both"),
        (lambda lake: tc.Task(limit_price=15.5), "for buys and sells"),
        (
            lambda lake: tc.evaluate(
                ["pov"], tc.load_market(MARKET), tc.Task(side=1, limit_price=15.5)
            ),
            "25bps",
        ),
        (lambda lake: tc.evaluate(["pov"], tc.load_market(MARKET), [ORDER]), "a lake"),
        (lambda lake: tc.evaluate(["pov"], tc.replay(lake, "SIM"), []), "tercel.Order"),
        (lambda lake: tc.Order("noon", "SIM", "buy", 5, "10min"), "2012-06-21 10:30"),
        (lambda lake: tc.Order("10:30", "SIM", "both", 5, "10min"), "one side"),
        (lambda lake: tc.Order("10:30", "SIM", "buy", 0, "10min"), "a quantity"),
        (lambda lake: tc.replay(lake, "SIM").lots(tc.Task()), "simulated"),
        (lambda lake: tc.load_policy("defualt"), "default"),
        (lambda lake: tc.tune("twap_take", tc.load_market(MARKET)), "popv"),
        (lambda lake: tc.train(tc.load_market(MARKET, fees="1,5bps")), "without fees"),
        (
            lambda lake: tc.train(tc.load_market(MARKET), settings={"learner.rate": 1}),
            "learner.rate",
        ),
        (
            lambda lake: tc.evaluate(["twap_take"], tc.load_market(MARKET), tc.Task(start="10:30")),
            "recorded days",
        ),
        (lambda lake: tc.Lake(lake).add("x.csv", "lobstar"), "lobster"),
        (lambda lake: tc.load_market(MARKET, passive_impact="x"), "`passive_impact=x`"),  # type: ignore[arg-type]
        (lambda lake: tc.load_market(MARKET, impact_scale=None), "`impact_scale=None`"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_exist_is_told(lake: Path, make: object, told: str) -> None:
    with pytest.raises(tc.TercelError) as error:
        make(lake)  # type: ignore[operator]
    assert told in str(error.value)


def test_a_result_of_listed_orders_says_which(lake: Path) -> None:
    result = tc.evaluate(["twap_take", "pov"], tc.replay(lake, "SIM"), [ORDER])
    assert [order.date for order in result.task] == list(DAYS)
    assert {replace(order, time=ORDER.time, horizon=ORDER.horizon_s) for order in result.task} == {
        ORDER
    }
    assert tc.Result.from_json(result.to_json()).task == result.task
    table = result.episodes().filter(pl.col("strategy") == "pov")
    told = [f"{order.date} {order.time[-5:]}" for order in result.task]
    times = table["time"].dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d %H:%M")
    assert times.to_list() == told


def test_days_come_into_a_lake_and_out_as_frames(tmp_path: Path) -> None:
    files = history([(1, 1, 1, 10, 0), (1, -1, 2, 20, 1), (4, 1, 1, 5, 0)], levels=2).write(
        tmp_path / "files"
    )
    lake = tc.Lake(tmp_path / "lake")
    [day] = lake.add(files[0].parent)
    assert lake.days(day.symbol) == [day.date]
    frame = lake.frame(day.symbol, day.date)
    assert len(frame) == day.rows
    assert {"exch_ns", "kind", "side"} <= set(frame.columns)


def test_recorded_days_become_a_market(lake: Path, tmp_path: Path) -> None:
    market = tc.calibrate(
        lake, "SIM", DAYS[:2], model="santa_fe", name="mine", out=tmp_path / "mine.json"
    )
    assert market.name == "mine"
    assert market.lots(tc.Task()) > 0


def test_python_and_the_command_make_the_same_market_and_say_how_good_it_is(
    lake: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Same days, same model: the same file; a figure on days held out comes from both."""
    caplog.set_level("INFO", logger="tercel.progress")
    logger = logging.getLogger("tercel.progress")
    logger.addHandler(caplog.handler)
    terms = {"model": "santa_fe", "name": "mine", "stamp": "2026-01-01"}
    words = (
        "market",
        "calibrate",
        "--lake",
        str(lake),
        "--symbol",
        "SIM",
        "--date",
        ",".join(DAYS[:2]),
    )
    options = [word for key, value in terms.items() for word in (f"--{key}", value)]
    for held_out, told in (((), "nothing was held out"), (DAYS[2:3], "as real days are")):
        ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
        tc.calibrate(lake, "SIM", DAYS[:2], held_out=held_out, out=ours, **terms)
        more = [word for day in held_out for word in ("--held-out", day)]
        done = CliRunner().invoke(app, [*words, *options, *more, "--out", str(theirs), "--json"])
        assert done.exit_code == 0, done.output
        assert ours.read_bytes() == theirs.read_bytes()
        assert told in caplog.text
    logger.removeHandler(caplog.handler)


def test_a_rule_is_tuned_and_judged(market: tc.Market) -> None:
    task = tc.Task(horizon="2min", decisions=4, warmup_s=60)
    tuned = tc.tune("popv", market, task, episodes=1536)
    assert set(tuned.table()["parameter"]) == set(tuned.parameters)
    assert tuned.to_json()["rule"] == "popv"
    result = tc.evaluate([tuned, "popv", "twap_take"], market, task, episodes=4)
    assert tuned.name in result.ranked
