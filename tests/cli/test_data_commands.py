"""`tercel data import ...`, `list`, `verify`: exit codes, one JSON object, a lake that stays as it was after an error."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel
from tests.feeds.binance import binance_twin
from tests.feeds.itch import itch_bytes
from tests.feeds.itch.test_itch import NAME, SMALL, put
from tests.lobster_files import history
from typer.testing import CliRunner

from studies.__main__ import app as studies_app
from tercel.cli.data import _print_verdict
from tercel.market.tape import Instrument, Lake

STEADY = [(1, 1, 1, 100, 0), (1, -1, 2, 50, 1), (4, 1, 1, 30, 2), (3, -1, 1, 1, 0)] * 6
TOY = ("--symbol", "TOY", "--date", "2012-06-21")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def imported(feed: str, *words: object) -> dict[str, Any]:
    """The one day that an import writes."""
    (day,) = done("data", "import", feed, *words)["days"]
    found: dict[str, Any] = day
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "lock"
    }


# -- LOBSTER ----------------------------------------------------------------------------------------------------------


def test_import_list_verify(tmp_path: Path, lake: Path) -> None:
    messages, book = history(STEADY, 2).write(tmp_path / "files")
    day = imported("lobster", messages, book, "--lake", lake)
    expected = {"symbol": "TOY", "date": "2012-06-21", "levels": 2, "outcome": "written"}
    assert day == day | expected
    again = tercel("data", "import", "lobster", tmp_path / "files", "--lake", lake, "--json")
    assert json.loads(again.stdout)["days"][0]["outcome"] == "unchanged"
    assert "unchanged" in again.stderr
    listed = done("data", "list", "--lake", lake)["days"]
    assert [(d["symbol"], d["content_hash"]) for d in listed] == [("TOY", day["content_hash"])]
    assert "TOY" in tercel("data", "list", "--lake", lake).stdout
    words = ("data", "verify", "--lake", lake, *TOY)
    verdict = done(*words, "--against", book)
    assert verdict["by_message"] + verdict["by_roll_in"] == verdict["rows"] - 1
    assert {"rows", "unknown_ids", "crossed", "locked"} <= set(done(*words))
    assert tercel(*words).exit_code == tercel(*words, "--against", book).exit_code == 0


@pytest.mark.parametrize(("column", "touch"), [(1, 1), (5, 0)])
def test_a_tape_that_copies_a_wrong_file_is_exit_1_and_told_apart(
    tmp_path: Path, lake: Path, column: int, touch: int
) -> None:
    made = history(STEADY, 2)
    made.rows[9][column] += 1
    messages, book = made.write(tmp_path / "files")
    imported("lobster", messages, book, "--lake", lake)
    words = ("data", "verify", "--lake", lake, *TOY, "--against", book)
    found = json.loads(tercel(*words, "--json").stdout)
    assert bool(found["unexplained_touch"]) == bool(touch)
    told = tercel(*words)
    assert told.exit_code == 1
    assert "illegal_rolls counts the rows" in " ".join(told.stderr.split())
    assert "first mismatch is in the table" not in told.stderr


def test_other_content_needs_replace(tmp_path: Path, lake: Path) -> None:
    imported("lobster", *history(STEADY, 2).write(tmp_path / "a"), "--lake", lake)
    before = content(lake)
    other = (*history(STEADY, 1).write(tmp_path / "b"), "--lake", lake)
    refused(tercel("data", "import", "lobster", *other), "--replace")
    assert content(lake) == before
    assert imported("lobster", *other, "--replace")["outcome"] == "replaced"


def test_a_bad_day_leaves_the_good_ones_and_nothing_of_itself(tmp_path: Path, lake: Path) -> None:
    good = tmp_path / "TOY_2012-06-21_34200000_57600000_message_1.csv"
    bad = tmp_path / "TOY_2012-06-22_34200000_57600000_message_1.csv"
    good.write_text("34200.0,1,7,10,1000000,1\n")
    bad.write_text("34200.0,1,7,10,1000000,1\n34200.0,9,7,10,1000000,1\n")
    refused(tercel("data", "import", "lobster", good, bad, "--lake", lake), "row 2", bad.name)
    assert [d["date"] for d in done("data", "list", "--lake", lake)["days"]] == ["2012-06-21"]


def test_nothing_is_made_when_nothing_can_be_imported(tmp_path: Path, lake: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for path in (tmp_path / "none.csv", tmp_path / "empty.csv"):
        refused(tercel("data", "import", "lobster", path, "--lake", lake), path.name, "to go on")
        assert not lake.exists()
    refused(tercel("data", "list", "--lake", lake))
    refused(tercel("data", "verify", "--lake", lake, *TOY))


# -- other feeds ------------------------------------------------------------------------------------------------------

MBO = """ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,order_id,flags,sequence,symbol
{0}1Z,{0}0Z,160,2,9,A,B,10.010000000,5,1,130,1,XYZ
{0}3Z,{0}2Z,160,2,9,A,A,10.020000000,7,2,130,2,XYZ
{0}5Z,{0}4Z,160,2,9,T,B,10.020000000,3,0,0,3,XYZ
{0}5Z,{0}4Z,160,2,9,F,A,10.020000000,3,2,0,3,XYZ
{0}5Z,{0}4Z,160,2,9,C,A,10.020000000,3,2,130,3,XYZ
""".format("2025-07-17T13:00:00.00000000")


def test_dbn_is_imported_listed_and_verified(tmp_path: Path, lake: Path) -> None:
    path = tmp_path / "mbo.csv"
    path.write_text(MBO)
    day = imported("dbn", path, "--lake", lake)
    assert (day["venue"], day["symbol"], day["rows"], day["tick"]) == ("XNAS", "XYZ", 3, 0.01)
    words = ("data", "verify", "--lake", lake, "--symbol", "XYZ", "--date", "2025-07-17")
    counts = done(*words)
    assert (counts["rows"], counts["unknown_ids"], counts["crossed"]) == (3, 0, 0)
    refused(tercel(*words, "--against", path), "mbp-10 received mbo")


def test_binance_is_imported_and_verified_against_its_quotes(tmp_path: Path, lake: Path) -> None:
    exchange = binance_twin.Binance(5, futures=True)
    messages = [message for _, message in exchange.lines]
    first = next(m["data"]["u"] for kind, m in exchange.lines if kind == "diff")
    path = binance_twin.write(
        tmp_path / "a.jsonl", [*messages[:3], exchange.snapshot(first), *messages[3:]]
    )
    day = imported("binance", path, "--lake", lake)
    assert day["extra"]["gaps"] == 0
    of_day = ("--symbol", "XYUSDT", "--date", day["date"], "--venue", "BINANCE-USDM")
    words = ("data", "verify", "--lake", lake, *of_day, "--against")
    verdict = done(*words, path)
    assert verdict["coincide"] == verdict["matched"] > 0
    (tmp_path / "b.jsonl").write_text(path.read_text().replace('"B": "', '"B": "9'))
    assert tercel(*words, tmp_path / "b.jsonl").exit_code == 1


@pytest.mark.parametrize("feed", ["dbn", "binance", "bitstamp", "shanghai", "shenzhen"])
def test_what_is_no_such_file_is_exit_2_and_leaves_no_lake(
    tmp_path: Path, lake: Path, feed: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("one,two\n1,2\n3,4\n")
    refused(tercel("data", "import", feed, path, "--lake", lake))
    assert not list(lake.rglob("*.parquet"))


def test_a_recording_that_cannot_be_made_leaves_nothing(lake: Path) -> None:
    pytest.importorskip("websockets", reason="the extra [record] is not installed")
    words = ("data", "record", "crypto", "--symbol", "BTCUSDT", "--lake", lake, "--url")
    refused(tercel(*words, "http://x"))
    refused(tercel(*words, "ws://x", "--venue", "nowhere"))
    refused(tercel(*words, "ws://x", "--duration", "-1"))
    nobody = ("ws://127.0.0.1:9/ws", "--snapshot-url", "http://127.0.0.1:9/", "--duration", 0.3)
    refused(tercel(*words, *nobody), "no connection")
    assert not lake.exists()


# -- CSV --------------------------------------------------------------------------------------------------------------

MAP = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[a-z]+)_(?P<date>\\d{8})\\.csv'
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
zero_side = "none"
[file.trade]
price = "b"
size = "n"
"""
ROWS = [
    "t,what,b,a,n",
    "0,q,1.00,1.02,5",
    "1,t,1.02,,2",
    "2,q,1.00,1.03,5",
    "3,q,0,1.03,5",
    "4,t,1.00,,1",
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A map and a file."""
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "abc_20240105.csv").write_text("\n".join(ROWS) + "\n")
    return tmp_path / "map.toml", tmp_path / "abc_20240105.csv"


def test_a_file_by_a_map_is_imported_and_verified(files: tuple[Path, Path], lake: Path) -> None:
    words = ("data", "import", "csv", files[1], "--map", files[0], "--lake", lake, "--json")
    ran = tercel(*words)
    (day,) = json.loads(ran.stdout)["days"]
    assert day == day | {"symbol": "ABC", "date": "2024-01-05", "levels": 1, "outcome": "written"}
    assert day["extra"]["cleaning"]["quotes without a price or a size on a side"] == 1
    assert "1 quotes without a price or a size on a side" in ran.stderr
    of_day = ("--lake", lake, "--symbol", "ABC", "--date", "2024-01-05")
    verdict = done("data", "verify", *of_day)
    assert verdict == verdict | {"tape": "level totals", "prints": 2, "lots_unaccounted": 0}
    assert verdict["signed"]["by quotes"] == 2
    shown = tercel("data", "verify", *of_day)
    assert "cleaning: quotes without a price or a size on a side" in shown.stdout
    queues = CliRunner().invoke(studies_app, ["queues", *map(str, of_day)])
    refused(queues, "single orders")


def test_a_shipped_map_is_printed() -> None:
    shown = tercel("data", "import", "csv", "--map", "lean", "--show-map")
    assert shown.exit_code == 0
    assert "[instrument]" in shown.stdout
    assert done("data", "import", "csv", "--map", "b3", "--show-map")["map"] == "b3"


@pytest.mark.parametrize(
    ("change", "row", "said"),
    [
        (("tick", "tikc"), "", "try 'tick'"),
        (("[file.trade]", "[file.trades]"), "", "try 'trade'"),
        (("", ""), "5,q,one,1.03,5", "row 7"),
    ],
)
def test_an_unknown_key_or_a_bad_row_is_exit_2_and_nothing_is_written(
    files: tuple[Path, Path], lake: Path, change: tuple[str, str], row: str, said: str
) -> None:
    files[0].write_text(MAP.replace(*change))
    files[1].write_text("\n".join([*ROWS, row]) + "\n")
    refused(tercel("data", "import", "csv", files[1], "--map", files[0], "--lake", lake), said)
    assert not list(lake.rglob("events.parquet"))


@pytest.mark.parametrize(
    "words", [(), ("--map", "lean"), ("--map", "lean", "--lake", "L"), ("--map", "none.toml")]
)
def test_what_is_missing_is_said(words: tuple[str, ...]) -> None:
    refused(tercel("data", "import", "csv", *words))


def test_a_queue_model_is_known_and_goes_with_a_tape(tmp_path: Path, lake: Path) -> None:
    words = ("run", "--out", tmp_path / "run", "--queue")
    refused(tercel(*words, "log_prob"))
    done("data", "import", "itch", put(tmp_path / "files", SMALL), "--lake", lake)
    refused(tercel(*words, "fifo", "--tape", lake, "--symbol", "AAA"), "risk_averse")
    assert not (tmp_path / "run").exists()


# -- ITCH -------------------------------------------------------------------------------------------------------------


def test_all_symbols_in_one_pass_and_verified(tmp_path: Path, lake: Path) -> None:
    file = put(tmp_path / "files", SMALL)
    ran = tercel("data", "import", "itch", file, "--lake", lake, "--json")
    found = json.loads(ran.stdout)
    assert [(d["symbol"], d["rows"], d["outcome"]) for d in found["days"]] == [
        ("AAA", 12, "written"), ("BB.C", 1, "written"),
    ]  # fmt: skip
    assert found["files"][0]["types"]["C"] == 2
    assert "1 executions are not printed, 1 are printed at another price" in ran.stderr
    told = " ".join(ran.stderr.split())
    for count in ("S 4 (system event)", "A 2 (add order)", "F 1 (add order with attribution)"):
        assert count in told
    assert "nothing was imported" not in told
    verdict = done("data", "verify", "--lake", lake, "--symbol", "AAA", "--date", "2019-01-30")
    assert (verdict["crossed"], verdict["locked"], verdict["unknown_ids"]) == (0, 0, 0)
    again = tercel("data", "import", "itch", file, "--lake", lake, "--symbol", "AAA")
    assert again.exit_code == 0
    assert [d.symbol for d in Lake(lake).list()] == ["AAA", "BB.C"]


def test_a_file_without_orders_says_so_and_names_no_type_that_it_does_not_know(
    tmp_path: Path, lake: Path
) -> None:
    data = itch_bytes.system("O", itch_bytes.OPEN) + itch_bytes.message(
        "Z", 0, itch_bytes.OPEN, (7, 4)
    )
    ran = tercel("data", "import", "itch", put(tmp_path / "files", data), "--lake", lake, "--json")
    assert json.loads(ran.stdout)["days"] == []
    told = " ".join(ran.stderr.split())
    assert "S 1 (system event), Z 1 (unknown)" in told
    assert "no symbol has an order or a trade: nothing was imported" in told


def test_a_check_keeps_the_books_and_writes_nothing(tmp_path: Path) -> None:
    words = ("data", "import", "itch", put(tmp_path, SMALL))
    (found,) = done(*words, "--check")["files"]
    assert found["messages"] == 15
    t = found["totals"]
    assert t["added"] == t["executed"] + t["withdrawn"] + t["resting"] == 800
    assert sorted(p.name for p in tmp_path.iterdir()) == [NAME]
    assert "all 2" in tercel(*words, "--check").stdout
    refused(tercel(*words), "--lake")


@pytest.mark.parametrize(
    ("data", "words", "told"),
    [
        (SMALL[:-3], [], "cut in message 15"),
        (SMALL + b"\x00\x14" + b"\x01" * 20, [], "message 16"),
        (SMALL, ["--symbol", "NOPE"], "NOPE"),
        (SMALL, ["--symbol", "MUCHTOOLONG"], "at most 8 letters"),
        (SMALL, ["--date", "yesterday"], "YYYY-MM-DD"),
        (SMALL, ["--tick", "0.5"], "tick"),
        (b"time,price\n1,2\n3,4\n", [], "binary messages"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    tmp_path: Path, lake: Path, data: bytes, words: list[str], told: str
) -> None:
    file = put(tmp_path / "files", data)
    refused(tercel("data", "import", "itch", file, "--lake", lake, *words), told, "to go on")
    assert not list(lake.glob("venue=*/**/events.parquet"))


def test_a_long_finding_leaves_the_counts_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    mismatch = {"row": 8426, "side": "bid", "expected": [16251, 202], "got": [16251, 2]}
    findings = {"rows": 10_000, "first_mismatch": mismatch, "explained": True}
    day = Instrument("NASDAQ", "AAPL", "2019-01-30", 0.01)
    _print_verdict(day, findings, explained=True)
    shown = capsys.readouterr().out
    assert "left out" not in shown
    assert {"10,000", "8426,", "yes"} <= set(shown.split())


# -- files of another feed --------------------------------------------------------------------------------------------

SIGNS = {
    "shanghai": ("a.csv", "DataStatus,OrderIndex,SecurityID,BizIndex\n0,1,600519,5\n"),
    "shenzhen": ("a.csv", "ChannelNo,ApplSeqNum,SecurityID\n1,2,3\n"),
    "dbn": ("a.csv", "ts_recv,ts_event,rtype,publisher_id,instrument_id\n1,2,3,4,5\n"),
    "tardis": ("x_trades_2025-01-01_A.csv", "exchange,symbol,timestamp,local_timestamp,id\n"),
    "shfe": ("rb_20250606.csv", "timestamp,instrumentID,last,volume_chg\n"),
    "binance-futures": ("A-aggTrades-2025-01-01.csv", "1,2.5,1,1,1,1735689600007,true\n"),
    "binance-spot": ("A-aggTrades-2025-01-01.csv", "1,2.5,1,1,1,1735689600007,true,true\n"),
    "binance": ("a.json", '1 {"e": "depthUpdate"}\n'),
    "itch": ("a.csv", "event_index,source,message_type\n"),
    "": ("a.csv", "time,price\n1,2\n"),
}


@pytest.mark.parametrize("feed", SIGNS)
def test_an_error_of_another_feed_names_the_feed_that_fits(
    tmp_path: Path, lake: Path, feed: str
) -> None:
    name, text = SIGNS[feed]
    (tmp_path / name).write_text(text)
    error = refused(tercel("data", "import", "bitstamp", tmp_path / name, "--lake", lake))
    hint = f"`tercel data import {feed}`"
    assert (hint in error) if feed else ("tercel data import" not in error)


def test_prices_off_a_stated_tick_are_told(tmp_path: Path, lake: Path) -> None:
    head = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,order_id,flags,sequence,symbol"
    rows = [
        f"{1_709_596_800_000_000_000 + n},{1_709_596_800_000_000_000 + n},160,1,7,A,B,25.{n}1,3,{n + 1},128,{n},X"
        for n in range(5)
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    words = ("data", "import", "dbn", path, "--lake", lake)
    assert (
        "5 of 5 prices are off the tick 0.1; leave out --tick"
        in tercel(*words, "--tick", 0.1).stderr
    )
    assert "off the tick" not in tercel(*words, "--replace").stderr
