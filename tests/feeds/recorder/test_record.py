# ruff: noqa: E402  (skips before what needs the library)
"""The recorder against a local venue that plays real messages: kills, dropped connections, gaps."""

import gzip
import itertools
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

websockets = pytest.importorskip("websockets", reason="the extra [record] is not installed")

from tests import forked
from tests.feeds.binance.binance_twin import Binance
from tests.feeds.bitstamp.bitstamp_twin import Bitstamp
from tests.feeds.recorder.played_stream import PlayedBinance
from tests.waiting import DEADLINE_S, until

from tercel.core.errors import ConfigError
from tercel.feeds import BinanceFeed, BitstampFeed, FeedOptions
from tercel.feeds.binance_messages import USDM
from tercel.feeds.capture_day import CaptureDay, book_after
from tercel.feeds.capture_writer import CaptureWriter
from tercel.feeds.live_streams import BinanceStream, BitstampStream, stream_of
from tercel.feeds.recorder import Recorder, websocket_client
from tercel.market.tape import Lake, schema

MESSAGES = 6000
COLUMNS = ("exch_ns", "seq", "kind", "order_id", "side", "price_ticks", "qty_lots", "flags")
"""All but the local times of receipt."""


@pytest.fixture(scope="session")
def real(shared_data: Path) -> list[str]:
    """Head of the capture of USD-M futures, messages alone."""
    with gzip.open(shared_data / "binance-feed" / "usdm_btcusdt_20240808.gz", "rt") as file:
        return [line.split(" ", 1)[1].rstrip("\n") for line in itertools.islice(file, MESSAGES)]


def made(seed: int, updates: int = 60) -> list[str]:
    """A small exchange's messages with a snapshot, as texts."""
    exchange = Binance(seed, futures=True, updates=updates)
    messages = [message for _, message in exchange.lines]
    first = next(m["data"]["u"] for kind, m in exchange.lines if kind == "diff")
    return [json.dumps(m) for m in [*messages[:4], exchange.snapshot(first), *messages[4:]]]


def tape(path: Path) -> CaptureDay:
    with BinanceFeed("0.001").days([path], FeedOptions(tick=0.01)) as days:
        (day,) = days
        return day


def direct(folder: Path, messages: list[str]) -> CaptureDay:
    """The tape that a plain import of the messages gives."""
    path = folder / "direct.jsonl"
    path.write_text("".join(f"{i + 1} {text}\n" for i, text in enumerate(messages)))
    return tape(path)


def same(a: CaptureDay, b: CaptureDay) -> bool:
    return all(
        getattr(a.imported.events, name).tolist() == getattr(b.imported.events, name).tolist()
        for name in COLUMNS
    )


@dataclass
class Fake:
    """Time that goes on by itself, and a stop when a capture has grown enough."""

    stop: Any
    ticks: int = 0
    slept: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def now_ns(self) -> int:
        self.ticks += 1
        return 1_723_161_256 * 10**9 + self.ticks * 20_000_000

    def sleep_ns(self, ns: int) -> None:
        self.slept.append(ns)
        time.sleep(min(ns / 1e9, 0.02))

    def stopping(self) -> bool:
        return bool(self.stop()) or time.monotonic() - self.began > DEADLINE_S


def record(folder: Path, server: PlayedBinance, symbol: str = "BTCUSDT") -> Recorder:
    """Record in this process until the server has sent all and the capture holds the last of it."""
    stream = BinanceStream(symbol, USDM, server.url, server.snapshot_url, server.information_url)
    writer = CaptureWriter(folder, 1)
    last = server.messages[-1]
    quiet = 0

    def done() -> bool:
        nonlocal quiet
        ended = (
            server.over.is_set()
            and last.encode() in writer.path.read_bytes()[-4000:]
            and recorder_has_snapshot()
        )
        quiet = quiet + 1 if ended else 0
        return quiet > 3

    def recorder_has_snapshot() -> bool:
        return recorder.summary.snapshots > 0 and not stream.wants_snapshot

    recorder = Recorder(stream, writer, Fake(done))
    with writer:
        recorder.run()
    return recorder


# -- in this process --------------------------------------------------------------------------------------------------


def test_dropped_connections_with_overlap_lose_nothing(real: list[str], tmp_path: Path) -> None:
    """The venue drops the line three times and sends the last messages again: none is lost, none counts twice."""
    drops = {700, 2500, 4000}
    with PlayedBinance(real, drops=drops, skips={at: at - 150 for at in drops}) as server:
        recorder = record(tmp_path / "captures", server)
        assert server.connections == 4
    assert (recorder.summary.connections, recorder.summary.failures) == (4, 3)
    assert same(tape(tmp_path / "captures"), direct(tmp_path, real))
    with BinanceFeed().days([tmp_path / "captures"], FeedOptions()) as days:
        one = days[0].read().instrument
    assert (one.tick, one.tick_rule, one.extra["lot_size"]) == (0.01, "stated", "0.001")


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_gap_the_book_comes_back_from_a_new_snapshot(seed: int, tmp_path: Path) -> None:
    """Messages that the venue sent while nobody listened are gone: the tape clears its book and opens a true one."""
    messages = made(seed, updates=400)
    with PlayedBinance(messages, pause_s=0.1, drops={100}, skips={100: 130}) as server:
        recorder = record(tmp_path / "captures", server, "XYUSDT")
    assert recorder.summary.snapshots >= 2
    got, want = tape(tmp_path / "captures"), direct(tmp_path, messages)
    events, truth = got.imported.events, want.imported.events
    assert (
        np.count_nonzero(events.kind == schema.CLEAR) == got.imported.instrument.extra["gaps"] == 1
    )
    at = {int(update): row for row, update in enumerate(want.updates.tolist()) if update}
    for row in np.flatnonzero(got.updates)[-40:].tolist():
        assert book_after(events, row + 1) == book_after(truth, at[int(got.updates[row])] + 1)


def test_bitstamp_is_recorded_order_by_order(tmp_path: Path) -> None:
    """A server of the test: it waits for both subscriptions, sends the two channels, and answers with the book."""
    from websockets.sync.server import serve

    exchange = Bitstamp(4, steps=200)
    heard: list[str] = []
    over = threading.Event()

    def play(connection: Any) -> None:
        heard.extend(json.loads(connection.recv())["data"]["channel"] for _ in range(2))
        for message in [
            *exchange.shuffled([]),
            {"event": "bts:heartbeat", "channel": "", "data": ""},
        ]:
            connection.send(json.dumps(message))
        over.wait(DEADLINE_S)  # the line stays open until the recorder has all

    def answer(connection: Any, request: Any) -> Any:
        book = exchange.snapshot(3)["data"]
        return connection.respond(200, json.dumps(book)) if request.path == "/book" else None

    with serve(play, "127.0.0.1", 0, process_request=answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        stream = BitstampStream("btcusd", f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}/book")
        with CaptureWriter(tmp_path / "captures", 1) as writer:
            recorder = Recorder(
                stream,
                writer,
                Fake(lambda: stream.counts.others > 0 and recorder.summary.snapshots > 0),
            )
            recorder.run()
        over.set()
    assert heard == ["live_orders_btcusd", "live_trades_btcusd"]
    with BitstampFeed("0.00000001").days([tmp_path / "captures"], FeedOptions(tick=0.01)) as days:
        events = days[0].read().events
    assert book_after(events, events.n) == exchange.book


# -- killed -----------------------------------------------------------------------------------------------------------


def start(server: PlayedBinance, lake: Path) -> forked.Popen:
    command = [sys.executable, "-m", "tercel.cli", "data", "record", "crypto", "--market", "usdm"]
    command += ["--symbol", "BTCUSDT", "--url", server.url, "--snapshot-url", server.snapshot_url]
    words = [*command, "--lake", lake, "--json"]
    return forked.Popen(words, stdout=forked.PIPE, stderr=forked.PIPE)


def lines(lake: Path) -> list[str]:
    files = sorted((lake / "captures").rglob("*.jsonl"), key=lambda p: int(p.stem))
    return [line for file in files for line in file.read_text().splitlines()]


def test_a_killed_recorder_loses_nothing_it_accepted(real: list[str], tmp_path: Path) -> None:
    """Killed twice in the middle, then resumed; the venue sends again what nobody confirmed. The tape is whole."""
    lake = tmp_path / "lake"
    with PlayedBinance(real, pause_s=0.05) as server:
        for reached in (900, 2600):
            process = start(server, lake)
            try:
                until(lambda reached=reached: len(lines(lake)) >= reached)
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            for file in (lake / "captures").rglob(
                "*.jsonl"
            ):  # every line is whole, but for a last one that was cut
                whole = file.read_text().split("\n")[:-1]
                assert all(json.loads(line.split(" ", 1)[1]) for line in whole)
            kept = {line.split(" ", 1)[1] for line in lines(lake)}
            unheard = next(i for i, text in enumerate(server.messages) if text not in kept)
            server.start = max(0, unheard - 100)
        process = start(server, lake)
        try:
            until(lambda: server.over.is_set() and server.messages[-1] in "".join(lines(lake)[-3:]))
            process.send_signal(signal.SIGTERM)
            out, said = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said.decode()
    report = json.loads(out)
    (day,) = report["days"]
    assert day["extra"]["gaps"] == 0
    assert day["extra"]["duplicates"] > 0
    _, events = Lake(lake).read("BTCUSDT", day["date"])
    want = direct(tmp_path, real).imported.events
    lots = (
        events.qty_lots.astype(np.int64) * 1000
    )  # the command infers tick and lot, `direct` states them
    assert events.n == want.n
    assert events.kind.tolist() == want.kind.tolist()
    assert events.exch_ns.tolist() == want.exch_ns.tolist()
    assert (events.price_ticks.astype(np.int64) * 10).tolist() == want.price_ticks.tolist()
    assert (lots // 1000).tolist() == want.qty_lots.tolist()


# -- words ------------------------------------------------------------------------------------------------------------


def test_a_stream_asks_for_a_snapshot_after_connecting_and_after_a_gap() -> None:
    stream = BinanceStream("XYUSDT", USDM, "ws://here/stream", "http://here/depth")
    assert stream.url.endswith("?streams=xyusdt@depth@0ms/xyusdt@trade/xyusdt@bookTicker")
    diffs = [text for text in made(1) if "depthUpdate" in text]
    assert stream.accept(diffs[0])
    assert stream.wants_snapshot
    stream.wants_snapshot = False
    assert stream.accept(diffs[1])
    assert not stream.accept(diffs[1])
    assert not stream.wants_snapshot
    assert stream.accept(diffs[3])
    assert stream.wants_snapshot
    assert (stream.counts.gaps, stream.counts.duplicates, stream.counts.accepted) == (1, 1, 3)
    stream.wants_snapshot = False
    before = json.loads(diffs[3])["data"]["pu"]
    assert json.loads(stream.snapshot(json.dumps({"lastUpdateId": before, "bids": [], "asks": []})))
    assert not stream.wants_snapshot
    stream.snapshot(json.dumps({"lastUpdateId": before - 1, "bids": [], "asks": []}))
    assert stream.wants_snapshot
    assert not stream.accept('{"result":null,"id":1}')
    with pytest.raises(ValueError, match="code"):
        stream.snapshot('{"code":-1121,"msg":"Invalid symbol."}')


def test_bitstamp_asks_once_a_connection_and_takes_each_trade_once() -> None:
    stream, asked = BitstampStream("BTCUSD", "wss://ws.bitstamp.net"), list[bool]()
    channel = '"channel":"live_orders_btcusd","data":'
    assert not stream.accept(f'{{"event":"bts:subscription_succeeded",{channel}{{}}}}')
    for _ in range(2):
        stream.begin_connection()
        for _ in range(2):
            assert stream.accept(f'{{"event":"order_created",{channel}{{"id":1}}}}')
            asked.append(stream.wants_snapshot)
            stream.wants_snapshot = False
    assert asked == [True, False, True, False]
    trade = '{"event":"trade","channel":"live_trades_btcusd","data":{"id":7}}'
    assert [stream.accept(trade), stream.accept(trade)] == [True, False]


def test_pauses_double_until_somebody_answers(tmp_path: Path) -> None:
    stream = BinanceStream("XYUSDT", USDM, "ws://127.0.0.1:9/stream", "http://127.0.0.1:9/depth")
    said: list[str] = []
    senses = Fake(lambda: len(said) >= 4)
    with CaptureWriter(tmp_path, 5) as writer:
        recorder = Recorder(stream, writer, senses, said.append)
        recorder.run()
    assert recorder.summary.failures >= 4
    assert sum(senses.slept) >= (1 + 2 + 4) * 10**8
    assert not (tmp_path / "5.jsonl").exists()


def test_a_writer_counts_a_clock_that_goes_back(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path, 5) as writer, CaptureWriter(tmp_path, 5) as other:
        for ns in (10, 20, 15, 30):
            writer.append(ns, "{}")
        other.append(10, "{}")
        assert writer.path != other.path
    assert writer.clock_back == 1
    assert writer.path.read_text() == "10 {}\n20 {}\n15 {}\n30 {}\n"


@pytest.mark.parametrize(
    ("venue", "market", "url", "says"),
    [
        ("kraken", "spot", "ws://x", "kraken"),
        ("binance", "options", "ws://x", "options"),
        ("binance", "spot", "http://x", "ws://"),
    ],
)
def test_what_cannot_be_recorded_is_refused(venue: str, market: str, url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        stream_of(venue, "BTCUSDT", market, url, None)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("websockets.sync.client", "websockets.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"tercel\[record\]"):
        websocket_client()
