"""`tercel venue serve --api binance`: says where it is, ends with 0, writes a report of what the orders cost."""

import hmac
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
import pytest
from tests.exchange.binance.conftest import MARKET
from tests.waiting import DEADLINE_S, until
from typer.testing import CliRunner
from websockets.sync.client import connect

from tercel.cli.root import app
from tercel.market.tape import Events, Instrument, Lake, schema

SERVE = ["venue", "serve", "--api", "binance"]
COMMAND = [sys.executable, "-m", "tercel.cli", *SERVE]
KEYS = ["url", "ws_url", "ws_api_url", "key", "secret", "symbols"]


def ask(said: dict[str, Any], method: str, path: str, **params: Any) -> Any:
    query = urlencode(params | {"timestamp": time.time_ns() // 10**6})
    signature = hmac.new(said["secret"].encode(), query.encode(), sha256).hexdigest()
    url = f"{said['url']}/api/v3/{path}?{query}&signature={signature}"
    answer = httpx.request(method, url, headers={"X-MBX-APIKEY": said["key"]}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.long
def test_a_bot_trades_and_its_owner_reads_what_it_cost(tmp_path: Path) -> None:
    out = tmp_path / "report"
    command = [
        *COMMAND,
        "--market",
        MARKET,
        "--port",
        "0",
        "--speed",
        "20",
        "--out",
        str(out),
        "--json",
    ]
    process = subprocess.Popen(
        [*command, "--balance", "USDT=500000"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    try:
        assert list(said) == KEYS
        assert said["symbols"] == ["CSCOUSDT"]
        assert ask(said, "GET", "account")["balances"][1]["free"] == "500000.00000000"
        for _ in range(5):
            ask(said, "POST", "order", symbol="CSCOUSDT", side="BUY", type="MARKET", quantity=40)
        resting = {"type": "LIMIT", "timeInForce": "GTC", "price": "14.00", "quantity": 10}
        ask(said, "POST", "order", symbol="CSCOUSDT", side="BUY", **resting)
        began = httpx.get(f"{said['url']}/api/v3/time").json()["serverTime"]
        until(lambda: httpx.get(f"{said['url']}/api/v3/time").json()["serverTime"] > began + 20_000)
        paid = sum(
            float(one["quoteQty"]) for one in ask(said, "GET", "myTrades", symbol="CSCOUSDT")
        )
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert process.stdout.read() == ""
    found = json.loads((out / "report.json").read_text())
    told = found["symbols"]["CSCOUSDT"]
    assert found["balanced"] is True
    assert (told["orders"], told["by_status"]) == (6, {"FILLED": 5, "NEW": 1})
    assert float(told["bought"]["value"]) == pytest.approx(paid)
    assert told["bought"]["quantity"] == "200"
    assert told["fees"] == {"CSCO": "0.2"}
    assert told["impact"]["moved_bps"]["+10s"] > 0
    total = found["costs"]["total"]
    parts = [total[f"{name}_bps"] for name in ("spread", "walk", "timing", "forced", "fees")]
    assert total["is_bps"] == pytest.approx(sum(parts))
    assert total["fees_bps"] == pytest.approx(10, rel=0.02)
    page = (out / "report.html").read_text()
    assert "How far they moved the price" in page
    assert f"{told['impact']['moved_bps']['+10s']:.2f}" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--api", "kraken"], "--api fix or binance"),
        (["--speed", "0"], "a clock that runs"),
        (["--balance", "DOGE=5"], "an asset of"),
        (["--balance", "BTC=lots"], "an amount"),
        (["--public-key", "/dev/null"], "Ed25519"),
        (["--market", "nope"], "ethbtc"),
        (["--market", "ibm", "--market", "ibm"], "each symbol once"),
        (["--tape", "nowhere", "--symbol", "X"], "nowhere"),
        (["--lake", "nowhere"], "no days"),
        (["--lake", "LAKE"], "the lake holds ONE, TWO"),
        (["--lake", "LAKE", "--symbol", "THREE"], "take one of ONE, TWO"),
        (["--lake", "LAKE", "--symbol", "ONE", "--date", "2001-01-01"], "use one of 2024-08-08"),
        (["--lake", "LAKE", "--symbol", "ONE"], "a tape of single orders"),
        (["--port", "TAKEN"], "a free port at 127.0.0.1"),
        (["--out", "/dev/null"], "a folder to write to"),
    ],
)
def test_what_makes_no_sense_is_refused(
    two_names: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"LAKE": str(two_names), "TAKEN": str(taken.getsockname()[1])}
        done = CliRunner().invoke(
            app, [*SERVE, *(given.get(one, one) for one in ["--port", "0", *arguments])]
        )
    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert words in done.stderr


@pytest.fixture(scope="module")
def two_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a day of two symbols, of which level totals are known."""
    folder, ns = tmp_path_factory.mktemp("lake"), 1_723_075_200 * 10**9
    instrument = Instrument(
        "BINANCE", "ONE", "2024-08-08", 0.01, timezone="UTC", session_close_ns=ns + 10**9
    )
    both = [
        [ns, ns, 1, schema.LEVEL_SET, 0, side, 100 - side, 5, schema.OPENING] for side in (1, -1)
    ]
    both[1][-1] |= schema.MESSAGE_END
    for symbol in ("ONE", "TWO"):
        day = replace(instrument, symbol=symbol, session_open_ns=ns)
        Lake(folder).write(day, Events.from_table(np.array(both, np.int64)))
    return folder


@pytest.mark.long
def test_ctrl_c_while_streams_are_open_ends_well(tmp_path: Path) -> None:
    command = [
        *COMMAND,
        "--market",
        MARKET,
        "--port",
        "0",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    before = signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # as a shell starts what runs in its background
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    with ExitStack() as stack:
        for url in (f"{said['ws_url']}/ws/cscousdt@depth@100ms", said["ws_api_url"]):
            stack.enter_context(connect(url))
        process.send_signal(signal.SIGINT)
        _, heard = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, heard
    assert "Traceback" not in heard
    assert json.loads((tmp_path / "out" / "report.json").read_text())["balanced"] is True


@pytest.mark.long
def test_a_recorded_day_is_served_at_its_own_time(tmp_path: Path) -> None:
    from tercel.market.simulator.days import simulated_lake

    simulated_lake(tmp_path / "lake", 0.25)
    arguments = [
        "--lake",
        str(tmp_path / "lake"),
        "--date",
        "2003-01-13",
        "--speed",
        "50",
    ]  # it has one symbol alone
    command = [*COMMAND, *arguments, "--port", "0", "--out", str(tmp_path / "out"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    try:
        assert said["symbols"] == ["SIMUSDT"]
        now = httpx.get(f"{said['url']}/api/v3/time").json()["serverTime"]
        assert time.strftime("%Y-%m-%d", time.gmtime(now / 1000)) == "2003-01-13"
        bought = ask(
            said, "POST", "order", symbol="SIMUSDT", side="BUY", type="MARKET", quantity=100
        )
        assert bought["status"] == "FILLED"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    assert (
        json.loads((tmp_path / "out" / "report.json").read_text())["symbols"]["SIMUSDT"]["fills"]
        >= 1
    )
