"""`tercel tca`: the table, the object, the page, and what is refused."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel
from tests.policies import PPO
from tests.program import COMMAND

from tercel.api.tca.market_day import read_day
from tercel.market.tape import Lake

S = 1_000_000_000
HEADER = "time,symbol,side,quantity,price,parent,agent,fee\n"


@pytest.fixture(scope="module")
def files(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two agents buy three parents at the far touch; one parent is not filled, one fill is off the market."""
    folder, day = tmp_path_factory.mktemp("files"), read_day(Lake(lake), Lake(lake).list()[0])
    tick, lot = day.instrument.tick, day.instrument.lot
    fills, orders = [], []
    for number in range(3):
        start = day.open_ns + (600 + 900 * number) * S
        orders.append(f"p{number},SIM,buy,{4 * lot},{start},{start + 300 * S}")
        for step in (30, 120):
            price = (
                day.quote_before(start + step * S)[1]
                * tick
                * (1.5 if number == 2 and step == 120 else 1.0)
            )
            agent = "ann" if number else "bob"
            fills.append(f"{start + step * S},SIM,buy,{lot},{price:.4f},p{number},{agent},0.10")
    orders.append(f"idle,SIM,sell,{lot},{start},{start + 300 * S}")
    (folder / "fills.csv").write_text(HEADER + "\n".join(fills) + "\n")
    (folder / "orders.csv").write_text(
        "parent,symbol,side,quantity,start,end\n" + "\n".join(orders) + "\n"
    )
    return folder / "fills.csv", folder / "orders.csv"


@pytest.fixture(scope="module")
def found(
    lake: Path, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out")
    words = ("--against", "twap_take,random", "--agent", PPO, "--out", out)
    one = done("tca", files[0], "--orders", files[1], "--lake", lake, *words)
    assert json.loads((out / "tca.json").read_text()) == one
    page = (out / "tca.html").read_text()
    assert page.count("<figure id") >= 5
    assert "What strategies would have cost" in page
    return one


def test_the_object_holds_agents_parents_and_an_exact_total(found: dict[str, Any]) -> None:
    assert [row["parent"] for row in found["parents"]] == ["p0", "p1", "idle", "p2"]
    assert {name: row["parents"] for name, row in found["agents"].items()} == {
        "": 1,
        "ann": 2,
        "bob": 1,
    }
    exact = found["exact"]
    assert (
        sum(exact[part] for part in ("delay", "spread", "walk", "timing", "forced", "fees"))
        == exact["fills"]
    )
    assert exact["fills"] + exact["opportunity"] + exact["refusal"] == exact["whole"]
    assert exact["whole"] * exact["unit"] == pytest.approx(found["total"]["money"]["whole"])
    assert exact["fees"] * exact["unit"] == pytest.approx(0.6, abs=1e-9)
    total = found["total"]
    assert (total["filled"], total["unfilled"], total["refused"]) == (6, 7, 0)
    weights = [row["notional"] for row in found["parents"]]
    cost = sum(
        row["is_bps"] * weight
        for row, weight in zip(found["parents"], weights, strict=True)
        if weight
    )
    assert total["is_bps"] == pytest.approx(cost / sum(weights))
    assert set(total["markouts_bps"]) == {"1s", "10s", "60s", "300s", "1800s"}
    assert found["parents"][0]["start"] == "09:40:00.000"
    assert found["odd_fills"]["off_market"]["fills"] == 1
    assert len(found["sentences"]) <= 5


def test_the_same_parents_are_worked_again(found: dict[str, Any]) -> None:
    again = found["counterfactual"]
    assert set(again["strategies"]) == {"twap_take", "random", str(PPO)}
    assert again["parents"] == 4
    for row in again["strategies"].values():
        assert row["saves_bps"]["mean"] == pytest.approx(again["own_bps"] - row["cost_bps"])


def test_own_fills_alone_load_no_simulator(
    lake: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    words = ["tca", files[0], "--orders", files[1], "--lake", lake, "--against", "none", "--json"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "tercel.api.tca.own_fills" in loaded
    ahead = ("tercel.market.simulator", "tercel.market.flow", "tercel.execution", "tercel.lab")
    assert not {name for name in loaded if name.startswith(ahead)}


def test_people_get_a_table_and_at_most_five_sentences(
    lake: Path, files: tuple[Path, Path]
) -> None:
    told = tercel(
        "tca", files[0], "--orders", files[1], "--lake", lake, "--against", "twap_take"
    ).stdout
    assert told.index("what was filled") < told.index("re-simulated") < told.index("parent ")
    for word in ("ann", "bob", "all", "your own", "twap_take", "unfilled", "against arrival"):
        assert word in told
    said = told.rstrip().rpartition("\n\n")[2].splitlines()
    assert said[0].startswith("4 parents: 6 lots worth")
    assert said[-1].startswith("On 4 re-simulated parents, ")
    assert len(said) <= 5
    alone = tercel("tca", files[0], "--lake", lake, "--against", "none").stdout
    assert "re-simulated" not in alone


def test_bad_input_ends_with_two_and_names_file_and_row(lake: Path, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text(HEADER + "1042468200000000000,SIM,buy,x,15,p,,\n")
    good.write_text(HEADER + "1042468200000000000,ELSE,buy,100,15,p,,\n")
    of = ("--lake", lake)
    refused(tercel("tca", bad, *of), "row 2 of", "bad.csv")
    refused(tercel("tca", tmp_path / "none.csv", *of))
    elsewhere = "1 of a symbol or a day that the lake does not have; the first is ELSE in row 2"
    assert "no_tape" not in refused(tercel("tca", good, *of), elsewhere)
    refused(tercel("tca", good, "--lake", tmp_path / "nolake"), "the folder of a lake")
    for words in (
        ("--against", "nobody"),
        ("--agent", "nobody"),
        ("--impact", "heavy"),
        ("--passive-impact", "-0.1"),
        ("--assume", "fees,fees"),
    ):
        refused(tercel("tca", good, *of, *words))
