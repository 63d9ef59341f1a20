"""Reported cases 13, 14, 18, 19: a bot at the twin, a learner's environment, the console's people, queues."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from tests.reports.command import done, tercel

import tercel as tc
from tercel.api.market import replay
from tercel.core.errors import ConfigError, TercelError
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import bank_sampler
from tercel.lab.learning.gym_env import ExecutionEnv, ExecutionVectorEnv
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive

# -- 13: a bot at the exchange's twin ---------------------------------------------------------------------------------

SYMBOL = "CSCOUSDT"
ORDERS: dict[str, tuple[dict[str, Any], int, str]] = {
    "9.2e-7": ({"quantity": "9.2e-7"}, -1100, "Illegal characters"),
    "1e-05": ({"price": "1e-05"}, -1100, "Illegal characters"),
    "0.1 + 0.2": ({"quantity": str(0.1 + 0.2)}, -1111, "too much precision"),
    "half a lot": ({"quantity": "0.5"}, -1013, "LOT_SIZE"),
    "off the tick": ({"price": "10.001"}, -1013, "PRICE_FILTER"),
    "worth too little": ({"price": "{least}", "quantity": "1"}, -1013, "NOTIONAL"),
    "no money": ({"quantity": "100000000"}, -2010, "insufficient balance"),
    "small letters": ({"symbol": SYMBOL.lower()}, -1100, "Illegal characters"),
    "an old stamp": ({"timestamp": 1}, -1021, "recvWindow"),
}


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[bool, Any]]:
    """A server as it comes, and one that gives listen keys."""
    conftest = pytest.importorskip(
        "tests.exchange.binance.conftest", reason="the server needs the extra [trade]"
    )
    from exchange.binance.accounts import ApiKey
    from exchange.binance.serve import serve_binance
    from tercel.core.pace import Pace
    from tercel.core.system import WallClock

    found = {}
    for keys in (False, True):
        engine = conftest.bench_of(wall_ns=time.time_ns()).engine
        pace = Pace(WallClock(), 1.0)
        pace.begin(engine.now_ns)
        more = {"listen_keys": True} if keys else {}
        known = [ApiKey(conftest.KEY, conftest.ACCOUNT, conftest.SECRET)]
        found[keys] = serve_binance(engine, known, pace=pace, limits=conftest.FREE, **more).start()
    yield found
    for server in found.values():
        server.close()


def test_13_listen_keys_are_gone_as_at_the_exchange(twins: dict[bool, Any]) -> None:
    """410 since 20 February 2026; an old client's server gives them when it is told to."""
    from tests.exchange.binance.client import Rest

    assert Rest(twins[False]).ask("POST", "/api/v3/userDataStream").status_code == 410
    given = Rest(twins[True]).ask("POST", "/api/v3/userDataStream")
    assert given.status_code == 200
    assert given.json()["listenKey"]
    assert "--listen-keys" in tercel("venue", "serve", "--help").output


@pytest.mark.parametrize("name", ORDERS)
def test_13_numbers_of_a_bot_meet_the_exchanges_codes(twins: dict[bool, Any], name: str) -> None:
    from tests.exchange.binance.client import Rest

    rest = Rest(twins[False])
    bid = rest.ask("GET", "/api/v3/ticker/bookTicker", symbol=SYMBOL).json()["bidPrice"]
    order = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "100",
        "price": bid,
    }
    changed, code, said = ORDERS[name]
    least = f"{math.ceil(float(bid) * 0.21 * 100) / 100:.2f}"
    changed = {
        key: value.format(least=least) if isinstance(value, str) else value
        for key, value in changed.items()
    }
    answer = rest.signed("POST", "/api/v3/order", **order | changed)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert said in answer.json()["msg"]


def test_13_names_secrets_and_orders_that_are_none(twins: dict[bool, Any]) -> None:
    from tests.exchange.binance.client import Rest

    rest = Rest(twins[False])
    bid = rest.ask("GET", "/api/v3/ticker/bookTicker", symbol=SYMBOL).json()["bidPrice"]
    order = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "100",
        "price": bid,
    }
    assert rest.signed("POST", "/api/v3/order", **order, newClientOrderId="once").status_code == 200
    again = rest.signed("POST", "/api/v3/order", **order, newClientOrderId="once").json()
    assert (again["code"], again["msg"]) == (-2010, "Duplicate order sent.")
    gone = rest.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=987_654).json()
    assert (gone["code"], gone["msg"]) == (-2011, "Unknown order sent.")
    assert (
        Rest(twins[False], secret="wrong").signed("GET", "/api/v3/account").json()["code"] == -1022
    )


# -- 14: a learner's environment --------------------------------------------------------------------------------------

TASK = Task(decisions=4, horizon_s=80.0)


@pytest.fixture(scope="module")
def market() -> dict[str, Any]:
    preset = presets.load("csco-santa-fe")
    source = reactive(preset, worlds=2, settle_s=60.0)
    return {
        "task": TASK,
        "source": source,
        "sampler": bank_sampler(TASK, TASK.lots(preset.volume_per_s), 2),
    }


def test_14_a_step_before_a_reset_is_refused(market: dict[str, Any]) -> None:
    for env, action in (
        (ExecutionEnv(**market), 1),
        (ExecutionVectorEnv(2, **market), np.array([1, 1])),
    ):
        with pytest.raises((TercelError, ResetNeeded)) as error:
            env.step(action)
        assert "reset" in str(error.value)
        env.reset(seed=1)
        env.step(action)


@pytest.mark.parametrize("action", [1.9, -0.5, math.nan, math.inf, True + 0.1, "1.9"])
def test_14_an_action_that_is_none_is_refused(market: dict[str, Any], action: Any) -> None:
    env = ExecutionEnv(**market)
    env.reset(seed=1)
    with pytest.raises(ConfigError):
        env.step(action)
    for whole in (1, np.int64(1), np.array(1), 1.0):
        env.reset(seed=1)
        env.step(whole)
    many = ExecutionVectorEnv(2, **market)
    many.reset(seed=1)
    with pytest.raises(ConfigError):
        many.step([1, action])


def test_14_seeds_of_each_market_are_those_of_one(market: dict[str, Any]) -> None:
    """Gymnasium: with a list, market i begins as a single one that is reset with seed i; with a number, seed + i."""
    seeds = [7, 3, 7, 11]
    many, one = ExecutionVectorEnv(4, **market), ExecutionEnv(**market)
    obs, _ = many.reset(seed=list(seeds))
    singles = [one.reset(seed=seed)[0] for seed in seeds]
    for row, single in zip(obs, singles, strict=True):
        np.testing.assert_array_equal(row, single)
    again, _ = ExecutionVectorEnv(4, **market).reset(seed=list(seeds))
    np.testing.assert_array_equal(again, obs)
    rewards = many.step(np.full(4, 2))[1]
    for seed, reward in zip(seeds, rewards, strict=True):
        one.reset(seed=seed)
        assert one.step(2)[1] == reward
    some, _ = many.reset(seed=[5, None, None, 5])
    np.testing.assert_array_equal(some[0], one.reset(seed=5)[0])
    np.testing.assert_array_equal(some[0], some[3])
    for wrong in ([1, 2], [1, 2, 3, 4, 5]):
        with pytest.raises((TercelError, AssertionError, ValueError)):
            many.reset(seed=wrong)


def test_14_a_seed_of_64_bits_is_one_or_is_refused_by_name(market: dict[str, Any]) -> None:
    env = ExecutionEnv(**market)
    told, rows = "", []
    for _ in range(2):
        try:
            rows.append(env.reset(seed=2**63)[0])
        except ConfigError as error:
            told = f"{error.expected} {error.received}"
    assert "seed" in told or np.array_equal(*rows)


# -- 18: people of a console ------------------------------------------------------------------------------------------


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("argon2", reason="the console needs the extra [trade]")
    monkeypatch.setenv("TERCEL_PEOPLE", str(tmp_path / "people.json"))
    return tmp_path / "people.json"


def added(name: str, password: str) -> int:
    from typer.testing import CliRunner

    from tercel.cli import app

    return (
        CliRunner()
        .invoke(app, ["console", "users", "add", name, "--json"], input=f"{password}\n")
        .exit_code
    )


@pytest.mark.parametrize("length", [130, 5000])
def test_18_no_password_is_taken_that_a_login_refuses(people: Path, length: int) -> None:
    from pydantic import ValidationError

    from tercel.api.console.models import LoginBody
    from tercel.api.console.people import People

    password = ("correct horse " * 400)[:length]
    code = added("ann", password)
    try:
        typed = LoginBody(name="ann", password=password).password
    except ValidationError:
        assert code == 2
        assert not people.exists()
        return
    assert code == 0
    assert People(people).verify("ann", typed) is not None


def test_18_an_accent_is_one_letter_or_two(people: Path) -> None:
    """Keyboards write it either way; who was added with one enters with the other."""
    import unicodedata

    from tercel.api.console.people import People

    composed, apart = (
        unicodedata.normalize(form, "Caf\u00e9 \u00dcbersee") for form in ("NFC", "NFD")
    )
    assert composed != apart
    assert added("ann", composed) == 0
    assert People(people).verify("ann", apart) is not None


# -- 19: a queue that shrinks by cancels ------------------------------------------------------------------------------

QUEUE = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
unit = "ms"
[file.rows]
column = "what"
level = "L"
trade = "T"
[file.level]
side = "side"
price = "price"
size = "n"
[file.trade]
price = "price"
size = "n"
aggressor = "side"
buy = "B"
sell = "S"
[clean]
outliers = 0
"""
CYCLE_S = 60


def queues(folder: Path) -> Path:
    """Every minute: 1,000 lots bid, 100 after cancels, 150 trade of a level that is then filled up again."""
    rows = ["t,what,side,price,n"]
    for k in range(120):
        at = 36_000_000 + 1000 * CYCLE_S * k
        if not k:
            rows += [f"{at},L,S,100.02,1000", f"{at},L,B,99.99,1000"]
        rows += [
            f"{at},L,B,100.00,1000", f"{at + 40_000},L,B,100.00,100", f"{at + 45_000},T,S,100.00,150",
            f"{at + 45_000},L,B,100.00,0", f"{at + 45_500},L,B,100.00,1000",
        ]  # fmt: skip
    (folder / "map.toml").write_text(QUEUE)
    (folder / "ABC_20240403.csv").write_text("\n".join(rows) + "\n")
    done(
        "data",
        "import",
        "csv",
        folder / "ABC_20240403.csv",
        "--map",
        folder / "map.toml",
        "--lake",
        folder / "lake",
    )
    return folder / "lake"


@pytest.mark.parametrize("model", ["risk_averse", "power_prob:2", "log_prob"])
def test_19_who_joined_gets_what_trades_beyond_the_cancels(
    tmp_path_factory: pytest.TempPathFactory, model: str
) -> None:
    """900 of the 1,000 ahead are cancelled, 150 trade: 100 are those ahead, 50 are ours, in every model of queues."""
    lake = queues(tmp_path_factory.mktemp("queue"))

    @tc.strategy
    def joins(view: tc.View) -> tc.Intent:
        return tc.Intent(rest=view.left)

    task = Task(side="buy", quantity=200, horizon_s=float(CYCLE_S), decisions=1, warmup_s=0)
    result = tc.evaluate(["twap_take", joins], replay(lake, "ABC", queue=model), task, episodes=4)
    assert result.episodes == 4
    for number in range(4):  # of one cycle each, whenever it begins
        fills = result.episode(number).fills("joins").to_dicts()
        passive = [
            (row["price"], row["lots"]) for row in fills if row["passive"] and not row["forced"]
        ]
        assert sum(lots for _, lots in passive) == 50
        assert {price for price, _ in passive} == {100.0}
