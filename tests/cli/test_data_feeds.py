"""`tercel data import dbn|binance|bitstamp`, `data verify` of what they made, and what they refuse."""

import json
from pathlib import Path

import pytest
from tests.feeds.binance import binance_twin
from tests.feeds.bitstamp import bitstamp_twin
from typer.testing import CliRunner, Result

from tercel.cli import app

MBO = """ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,order_id,flags,sequence,symbol
{0}1Z,{0}0Z,160,2,9,A,B,10.010000000,5,1,130,1,XYZ
{0}3Z,{0}2Z,160,2,9,A,A,10.020000000,7,2,130,2,XYZ
{0}5Z,{0}4Z,160,2,9,T,B,10.020000000,3,0,0,3,XYZ
{0}5Z,{0}4Z,160,2,9,F,A,10.020000000,3,2,0,3,XYZ
{0}5Z,{0}4Z,160,2,9,C,A,10.020000000,3,2,130,3,XYZ
""".format("2025-07-17T13:00:00.00000000")


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_dbn_is_imported_listed_and_verified(tmp_path: Path) -> None:
    path, lake = tmp_path / "mbo.csv", tmp_path / "lake"
    path.write_text(MBO)
    done = tercel("data", "import", "dbn", path, "--lake", lake, "--json")
    assert done.exit_code == 0, done.stderr
    (day,) = json.loads(done.stdout)["days"]
    assert (day["venue"], day["symbol"], day["rows"], day["tick"]) == ("XNAS", "XYZ", 3, 0.01)
    words = ("data", "verify", "--lake", lake, "--symbol", "XYZ", "--date", "2025-07-17")
    counts = json.loads(tercel(*words, "--json").stdout)
    assert (counts["rows"], counts["unknown_ids"], counts["crossed"]) == (3, 0, 0)
    assert "XYZ" in tercel("data", "list", "--lake", lake).stdout
    wrong = tercel(*words, "--against", path)
    assert wrong.exit_code == 2
    assert "mbp" in wrong.stderr or "bid_px_00" in wrong.stderr


def test_binance_is_imported_and_verified_against_its_quotes(tmp_path: Path) -> None:
    exchange, lake = binance_twin.Binance(5, futures=True), tmp_path / "lake"
    messages = [message for _, message in exchange.lines]
    first = next(m["data"]["u"] for kind, m in exchange.lines if kind == "diff")
    path = binance_twin.write(
        tmp_path / "a.jsonl", [*messages[:3], exchange.snapshot(first), *messages[3:]]
    )
    done = tercel("data", "import", "binance", path, "--lake", lake, "--json")
    assert done.exit_code == 0, done.stderr
    (day,) = json.loads(done.stdout)["days"]
    assert day["extra"]["gaps"] == 0
    words = (
        "data",
        "verify",
        "--lake",
        lake,
        "--symbol",
        "XYUSDT",
        "--date",
        day["date"],
        "--venue",
        "BINANCE-USDM",
    )
    found = tercel(*words, "--against", path, "--json")
    assert found.exit_code == 0
    verdict = json.loads(found.stdout)
    assert verdict["coincide"] == verdict["matched"] > 0
    text = path.read_text().replace('"B": "', '"B": "9')
    (tmp_path / "b.jsonl").write_text(text)
    assert tercel(*words, "--against", tmp_path / "b.jsonl").exit_code == 1


def test_bitstamp_is_imported_and_verified(tmp_path: Path) -> None:
    exchange, lake = bitstamp_twin.Bitstamp(5), tmp_path / "lake"
    path = bitstamp_twin.write(tmp_path / "a.jsonl", exchange.shuffled([exchange.snapshot(2)]))
    done = tercel("data", "import", "bitstamp", path, "--lake", lake, "--lot", "0.0001", "--json")
    assert done.exit_code == 0, done.stderr
    (day,) = json.loads(done.stdout)["days"]
    assert (day["venue"], day["symbol"], day["extra"]["lot_size"]) == (
        "BITSTAMP",
        "BTCUSD",
        "0.0001",
    )
    counts = json.loads(
        tercel(
            "data", "verify", "--lake", lake, "--symbol", "BTCUSD", "--date", day["date"], "--json"
        ).stdout
    )
    assert counts["crossed"] == counts["unknown_ids"] == 0


@pytest.mark.parametrize("feed", ["dbn", "binance", "bitstamp"])
def test_what_is_no_such_file_is_exit_2_and_leaves_no_lake(tmp_path: Path, feed: str) -> None:
    path, lake = tmp_path / "a.csv", tmp_path / "lake"
    path.write_text("one,two\n1,2\n3,4\n")
    done = tercel("data", "import", feed, path, "--lake", lake, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]
    assert not list(lake.rglob("*.parquet"))


def test_a_recording_nobody_can_make_is_refused(tmp_path: Path) -> None:
    words = ("data", "record", "crypto", "--symbol", "BTCUSDT", "--lake", tmp_path / "lake")
    assert tercel(*words, "--url", "http://x").exit_code == 2
    assert tercel(*words, "--url", "ws://x", "--venue", "nowhere").exit_code == 2
    assert tercel(*words, "--url", "ws://x", "--duration", "-1").exit_code == 2
    assert not (tmp_path / "lake").exists()


def test_a_server_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("websockets", reason="the extra [record] is not installed")
    words = (
        "data",
        "record",
        "crypto",
        "--symbol",
        "BTCUSDT",
        "--lake",
        tmp_path / "lake",
        "--duration",
        "0.3",
    )
    done = tercel(
        *words, "--url", "ws://127.0.0.1:9/ws", "--snapshot-url", "http://127.0.0.1:9/", "--json"
    )
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["received"] == "no connection"
    assert not (tmp_path / "lake").exists()
