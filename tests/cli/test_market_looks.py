"""`tercel market response`, `arbitrage`, `sanity`, `facts`: one object, tables, a page, clear refusals."""

import json
from pathlib import Path

import pytest
from tests.cli.command import done, refused, tercel


@pytest.mark.long
def test_a_response_as_json_and_as_a_page(tmp_path: Path) -> None:
    out = tmp_path / "response"
    options = ("--size", 0.1, "--pairs", 8, "--seed", 2, "--out", out)
    found = done("market", "response", "ibm", *options)
    one = found["styles"]["twap_take"]["0.1"]
    assert {"displacement_ticks", "law_ticks", "at_2T", "cost_bps", "unfilled_share"} <= set(one)
    assert {"iceberg", "blocks", "default-1", "peg_touch"} <= set(found["styles"])
    assert set(found["attraction"]["peg_touch"]) == {"60", "180", "300"}
    assert json.loads((out / "response.json").read_text()) == found
    assert (out / "response.html").read_text().count("<table") == 3


def test_a_response_as_tables() -> None:
    told = tercel("market", "response", "csco-santa-fe", "--size", 0.1, "--pairs", 8).output
    assert "nothing done before the horizon" in told
    assert "bars are m" in told


FEW = ("--size", 0.1, "--budget", 1, "--pairs", 8, "--minutes", 0)


@pytest.mark.long
def test_trips_as_json() -> None:
    found = done("market", "arbitrage", "cw-noise", *FEW, "--latency", 0)
    assert found["searched"] > 0
    assert found["profitable"] == sum(one["profitable"] for one in found["proved"])
    assert {"size", "legs", "profit_bps", "p_adjusted"} <= set(found["proved"][0])


@pytest.mark.long
def test_trips_on_a_tape_as_a_table(lake: Path) -> None:
    tape = ("--tape", lake, "--symbol", "SIM", "--impact", "square_root", "--latency", 5)
    result = tercel("market", "arbitrage", *tape, *FEW)
    assert result.exit_code == 0, result.output
    assert "pay for certain (Holm, 5 %)" in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("response nothing", "preset market"),
        ("response sh600961 --impact root", "impact law"),
        ("response sh600961 --pairs 1", "8 pairs"),
        ("arbitrage", "a preset, or --tape"),
        ("arbitrage sh600961 --tape lake --symbol A", "a preset, or --tape"),
        ("arbitrage sh600961 --impact square_root", "impact law"),
        ("arbitrage sh600961 --size 0", "sizes above 0"),
        ("arbitrage goog --passive-impact 1.5", "a ratio from 0 to 1"),
        ("arbitrage sh600961 --latency soon", "milliseconds"),
        ("sanity amzn-santa-fe --days 1 --out {tmp}", "name another --out"),
        ("facts amzn-santa-fe --lake {tmp} --symbol AMZN --date 2012-06-21", "import"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: str, says: str) -> None:
    (tmp_path / "amzn-santa-fe.jsonl").write_text("hello\n")
    refused(tercel("market", *words.format(tmp=tmp_path).split()), says)


@pytest.mark.long
def test_days_that_are_done_are_not_run_again(tmp_path: Path) -> None:
    words = ("market", "sanity", "amzn-santa-fe", "--days", 2, "--out", tmp_path, "--json")
    first = tercel(*words)
    found = json.loads(first.stdout)["markets"]["amzn-santa-fe"]
    assert found["days"] == 2
    with (tmp_path / "amzn-santa-fe.jsonl").open("a") as file:
        file.write('{"seed": 9')  # a run that was killed while it wrote
    again = tercel(*words)
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert first.exit_code == again.exit_code == (0 if found["passed"] else 1)
