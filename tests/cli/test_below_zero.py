"""A future that falls through zero, from its columns to what fills of that day cost: in ticks and in money.

The oracle is the same day 100.01 dearer, which no key of the map is needed for: every cost in money is equal, to the
last digit, and a cost in ticks is that money over the lots and the worth of a tick.
"""

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel

MAP = """
[instrument]
venue = "NYMEX"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[A-Z0-9]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
[file.rows]
column = "what"
quote = ["q"]
trade = ["t"]
[file.quote]
bid = "b"
ask = "a"
bid_size = "n"
ask_size = "n"
[file.trade]
price = "b"
size = "n"
aggressor = "s"
buy = ["B"]
sell = ["S"]
"""
STEPS = 1200
DAY = ("--symbol", "CLK0", "--date", "2020-04-20")


def write(folder: Path, up: int, symbol: str = "CLK0") -> Path:
    """A day that falls from about 1.20 to about -3, `up` ticks dearer, and three parents, one of them with a limit."""
    rng, bid, rows, fills = (
        random.Random(7),
        120 + up,
        ["t,what,b,a,n,s"],
        ["time,symbol,side,quantity,price,parent,fee"],
    )
    for i in range(STEPS):
        bid += rng.choice([-1, 0, 1]) - (i % 3 == 0)
        at = 36_000_000 + 1000 * i
        rows.append(f"{at},q,{bid / 100:.2f},{(bid + 2) / 100:.2f},{rng.randint(5, 30)},")
        if i % 2:
            side = rng.choice("BS")
            rows.append(
                f"{at + 500},t,{(bid + 2 * (side == 'B')) / 100:.2f},,{rng.randint(1, 4)},{side}"
            )
        if i % 60 == 30:  # a sell at the bid below zero and above, a buy inside the spread
            parent = i // 400
            price = Fraction(bid, 100) if parent != 1 else Fraction(2 * bid + 1, 200)
            fills.append(
                f"2020-04-20T{10 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}.750Z,{symbol},"
                f"{'buy' if parent == 1 else 'sell'},{1 + i % 3},{float(price):.3f},p{parent},0.02"
            )
    orders = ["parent,symbol,side,quantity,start,end,limit"]
    for parent, (side, limit) in enumerate(
        [("sell", ""), ("buy", ""), ("sell", f"{(up - 290) / 100:.2f}")]
    ):
        minutes = (0, 6), (7, 13), (14, 19)
        first, last = minutes[parent]
        orders.append(
            f"p{parent},{symbol},{side},60,2020-04-20T10:{first:02d}:10Z,2020-04-20T10:{last:02d}:50Z,{limit}"
        )
    folder.mkdir()
    for name, lines in ((f"{symbol}_20200420", rows), ("fills", fills), ("orders", orders)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    lowest = "" if up else "tick = 0.01\nlowest_price = -100.0"
    (folder / "map.toml").write_text(MAP.replace("tick = 0.01", lowest or "tick = 0.01"))
    made = ("--map", folder / "map.toml", "--lake", folder / "lake")
    done("data", "import", "csv", folder / f"{symbol}_20200420.csv", *made)
    return folder


def costs(folder: Path) -> dict[str, Any]:
    words = ("--orders", folder / "orders.csv", "--lake", folder / "lake", "--out", folder / "out")
    return done("tca", folder / "fills.csv", *words, "--against", "twap_take,vwap_passive")


@pytest.fixture(scope="module")
def oil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("below") / "oil", 0)


@pytest.fixture(scope="module")
def dearer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("above") / "dearer", 10_001)


@pytest.fixture(scope="module")
def both(oil: Path, dearer: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return costs(oil), costs(dearer)


def test_the_lake_lists_and_verifies_it(oil: Path, dearer: Path) -> None:
    (day,) = done("data", "list", "--lake", oil / "lake")["days"]
    assert day["price_origin"] == -10_001
    assert day["extra"]["cleaning"]["quotes without a price or a size on a side"] == 0
    verdicts = [done("data", "verify", "--lake", one / "lake", *DAY) for one in (oil, dearer)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["lots_unaccounted"] == 0


def test_costs_are_the_money_of_the_dearer_day_and_ticks(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    found, dear = both
    assert (found["unit"], dear["unit"]) == ("ticks", "bps")
    assert found["exact"] == dear["exact"]
    assert found["odd_fills"].keys() == dear["odd_fills"].keys()
    assert [row["parent"] for row in found["parents"]] == ["p0", "p1", "p2"]
    for mine, theirs in zip(found["parents"], dear["parents"], strict=True):
        assert mine["money"] == theirs["money"]
        assert mine["sums"] == theirs["sums"]
        for price in ("arrival_price", "average_price"):
            assert mine[price] == pytest.approx(theirs[price] - 100.01, abs=1e-9)
        for part, of in (
            ("is", "fills"),
            ("delay", "delay"),
            ("spread", "spread"),
            ("walk", "walk"),
            ("fees", "fees"),
        ):
            assert mine[f"{part}_ticks"] == pytest.approx(
                mine["money"][of] / 0.01 / mine["filled"], abs=1e-9
            )
        assert mine["opportunity_ticks"] == pytest.approx(
            mine["money"]["opportunity"] / 0.01 / mine["unfilled"]
        )
        for name in ("vwap", "twap", "close"):
            bps = theirs[f"{name}_bps"] * theirs["arrival_price"] / 100  # ticks of 0.01
            assert mine[f"{name}_ticks"] == pytest.approx(bps, abs=1e-6)
    assert found["parents"][0]["arrival_price"] > 0 > found["parents"][2]["arrival_price"]
    total, lots = found["total"], sum(row["filled"] for row in found["parents"])
    assert total["is_ticks"] == pytest.approx(total["money"]["fills"] / 0.01 / lots)


def test_strategies_work_the_same_parents_at_the_same_prices(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    found, dear = (one["counterfactual"] for one in both)
    assert found["parents"] == dear["parents"] == 3
    assert found["own_unfilled"] == dear["own_unfilled"]
    for name, mine in found["strategies"].items():
        theirs = dear["strategies"][name]
        assert mine["unfilled"] == theirs["unfilled"]
        # Near 1 % of a price of 100: bps of the dearer day are ticks but for where its price stands.
        assert mine["cost_ticks"] == pytest.approx(theirs["cost_bps"], rel=0.05, abs=0.05)
    assert found["strategies"]["twap_take"]["unfilled"] > 0  # the limit holds at its price


def test_neither_page_object_nor_terminal_speaks_of_bps(
    oil: Path, both: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    page = (oil / "out" / "tca.html").read_text()
    assert "ticks" in page
    shown = tercel("tca", oil / "fills.csv", "--lake", oil / "lake", "--against", "twap_take")
    for text in (page.split("<body", 1)[1], json.dumps(both[0]), shown.stdout):
        assert "bps" not in text
        assert "notional" not in text
    assert "ticks against arrival" in shown.stdout
    assert "lots worth" not in shown.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--tape", "{lake}", "--symbol", "CLK0", "--out", "{lake}/../run"),
        ("agent", "evaluate", "twap_take", "--tape", "{lake}", "--symbol", "CLK0"),
        ("market", "fills", "sh600961", "--lake", "{lake}", *DAY),
        (
            "market",
            "calibrate",
            "--lake",
            "{lake}",
            "--symbol",
            "CLK0",
            "--days",
            "2020-04-20",
            "--out",
            "{lake}/../m.json",
        ),
        ("signals", "flow", "train", "{lake}", "--symbol", "CLK0", "--out", "{lake}/../flow"),
        ("venue", "serve", "--tape", "{lake}", *DAY),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_what_needs_prices_above_zero_names_the_day_and_what_takes_it(
    oil: Path, words: tuple[str, ...]
) -> None:
    refused(
        tercel(*(word.format(lake=oil / "lake") for word in words)),
        "CLK0 on 2020-04-20, which may trade as low as -100",
        "tercel tca",
    )


def test_policies_and_files_of_two_units_are_refused(oil: Path, tmp_path: Path) -> None:
    policy = tercel("tca", oil / "fills.csv", "--lake", oil / "lake", "--agent", "default")
    refused(policy, "default for CLK0, which may trade at or below zero")
    other = write(tmp_path / "other", 10_001, "BZM0")
    into = ("--map", oil / "map.toml", "--lake", other / "lake")
    done("data", "import", "csv", oil / "CLK0_20200420.csv", *into)
    rows = (other / "fills.csv").read_text().partition("\n")[2]
    (tmp_path / "both.csv").write_text((oil / "fills.csv").read_text() + rows)
    words = ("--lake", other / "lake", "--against", "none")
    both = tercel("tca", tmp_path / "both.csv", *words)
    refused(both, "CLK0, which may trade at or below zero, beside BZM0")
    done("tca", oil / "fills.csv", *words)


def test_what_its_tape_cannot_hold_is_a_slip_and_what_is_off_the_market_is_not(
    oil: Path, tmp_path: Path
) -> None:
    prices = (
        "-100.01",
        "-99.00",
        "30.00",
        "9e9",
    )  # below the lowest price; twice off the market; a slip
    rows = [f"2020-04-20T10:05:00.{i}Z,CLK0,buy,1,{price}" for i, price in enumerate(prices)]
    (tmp_path / "fills.csv").write_text(
        "\n".join(["time,symbol,side,quantity,price", *rows]) + "\n"
    )
    odd = done("tca", tmp_path / "fills.csv", "--lake", oil / "lake", "--against", "none")[
        "odd_fills"
    ]
    assert (odd["far_off"]["rows"], odd["off_market"]["rows"]) == ([2, 5], [3, 4])
