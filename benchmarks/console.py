"""``benchmarks console``: from an entry of a busy journal to twenty open pages; what a long journal takes to open.

``console.current_s`` and ``console.current_cpu_s``: a console is started beside a desk that works on, whose journal has
30,000 entries; until a page has the entry that was the newest at the start. Processor seconds are divided by the speed
of the machine (`tests.costs`).

Three processes: a desk's journal, written and synced at a thousand entries a second (fifty agents), `tercel console`
as a person starts it, and this one, which holds twenty pages' streams and reads every message. The lag of an entry at
a page runs from the end of its append to the arrival of the first message that has it; clocks are the machine's own.
Where the machine's cores are fewer than the processes, the lag has their waiting in it. The reference of the lag is
what the bar allows; that of the processor's time is one core. First figures are those of a headless Chromium, from
navigation to the first row of agents on the screen, the median of eight loads; without one they are left out.
"""

import http.client
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice, pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tests.costs import REFERENCE_S, loop_s

from benchmarks import measured
from benchmarks.busy_day import MINUTE, a_day
from benchmarks.endurance import rss_mb
from tercel.core import Entry
from tercel.desk.trading.journal import SqlJournal

AGENTS: Final = 50
PAGES: Final = 20
ENTRIES_S: Final = 1000
BURST: Final = 10
BAR_MS: Final = 250.0
LONG: Final = 200_000
DAY: Final = 30_000
"""Entries of a desk's day."""
DAY_ENTRIES_S: Final = 23
"""Entries a second of the packaged desk at speed 20."""
PASSWORD: Final = "of the bench"


def bench(seconds: float = 30.0, long: int = LONG) -> list[dict[str, Any]]:
    """Lag of updates with twenty pages open, the console's share of a core; a journal of `long` entries opened."""
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as folder:
        desk = Path(folder) / "busy"
        lags, cpu, grown = _pages(desk, seconds)
        shown = _first_figures(desk)
        first, whole, asked, late, then = _opened(Path(folder) / "long", long)
        wall_s, cpu_s = current(Path(folder) / "day")
    named = f"{AGENTS} agents, {ENTRIES_S} entries/s, {PAGES} pages"
    bar = "what people still take for at once"
    loads = (
        []
        if shown is None
        else [measured("console.first_s", shown, "s to figures", "a second", 1.0, less=True)]
    )
    return [
        measured("console.lag_p50_ms", _at(lags, 50), f"ms, {named}", bar, BAR_MS, less=True),
        measured("console.lag_p95_ms", _at(lags, 95), f"ms, {named}", bar, BAR_MS, less=True),
        measured("console.lag_p99_ms", _at(lags, 99), f"ms, {named}", bar, BAR_MS, less=True),
        measured("console.cpu", cpu, "of a core, the same", "one core", 1.0, less=True),
        measured("console.rss_mb", grown[1], "MB at the end", "MB after a third of it", grown[0], less=True),
        *loads,
        measured("console.current_s", wall_s, f"s to the newest state, {DAY:,} entries", "the bar", 3.0, less=True),
        measured("console.current_cpu_s", cpu_s, "CPU s, at reference speed", "the bar", 4.0, less=True),
        measured("console.long_first_s", first, f"s to an answer, {long:,} entries", "a second", 1.0, less=True),
        measured("console.long_whole_s", whole, "s until all is read", "a second", 1.0, less=True),
        measured("console.long_asked_p95_ms", asked, "ms of a question meanwhile", bar, BAR_MS, less=True),
        measured("console.long_rss_mb", late, "MB then"),
        measured("console.past_s", then, "s to a minute of it, slowest of six", "a second", 1.0, less=True),
    ]  # fmt: skip


def _bursts(entries: Iterable[Entry], many: int) -> Iterator[list[Entry]]:
    left = iter(entries)
    while burst := list(islice(left, many)):
        yield burst


def _at(values: NDArray[np.float64], share: float) -> float:
    return float(np.percentile(values, share))


def _write(folder: str, seconds: float, told: Connection) -> None:
    """A desk's journal at its pace; tells when each entry was durable, by the machine's clock."""
    journal = SqlJournal(folder, "bench")
    told.send("open")
    told.recv()
    made = _bursts(a_day(round(seconds * ENTRIES_S), AGENTS, day_s=round(seconds)), BURST)
    start, times = monotonic(), list[float]()
    for number, entries in enumerate(made):
        if (early := start + number * BURST / ENTRIES_S - monotonic()) > 0:
            sleep(early)
        journal.append(entries)
        times += [monotonic()] * len(entries)
    journal.close()
    told.send(times)


def _pages(desk: Path, seconds: float) -> tuple[NDArray[np.float64], float, tuple[float, float]]:
    """Lags of every entry at every page, ms; the console's processor time in cores; its memory early and late."""
    here, there = get_context("spawn").Pipe()
    writer = get_context("spawn").Process(
        target=_write, args=(str(desk), seconds, there), daemon=True
    )
    writer.start()
    here.recv()
    with served(desk) as (process, port), _streams(port, desk.name) as streams:
        here.send("go")
        start, spent, early = monotonic(), _cpu_s(process.pid), 0.0
        heard = [list[tuple[float, int]]() for _ in streams]
        left = dict.fromkeys(streams, b"")
        while not here.poll():
            _hear(streams, left, heard)
            if not early and monotonic() - start > seconds / 3:
                early = rss_mb(process.pid)
        written = np.array(here.recv())
        took, spent = monotonic() - start, _cpu_s(process.pid) - spent
        late = rss_mb(process.pid)
        ends = monotonic() + 5
        while monotonic() < ends and any(not one or one[-1][1] < len(written) for one in heard):
            _hear(streams, left, heard)
    writer.join()
    lags = [_lags(one, written) for one in heard]
    return np.concatenate(lags), spent / took, (early, late)


def _lags(heard: list[tuple[float, int]], written: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each entry, ms from its append to the message that has it.

    >>> _lags([(10.2, 1), (10.3, 3)], np.array([10.0, 10.1, 10.25])).round(3).tolist()
    [200.0, 200.0, 50.0]
    """
    found = [
        1000 * (at - written[low:high]) for (_, low), (at, high) in pairwise([(0.0, 0), *heard])
    ]
    return np.concatenate(found)


_WATCH: Final = """
new MutationObserver(() => {
  if (window.shownAt || !document.querySelector("[aria-label='Agents by cost'] tbody tr")) return;
  requestAnimationFrame(() => { window.shownAt ??= performance.now(); });
}).observe(document, {subtree: true, childList: true});"""


def _first_figures(desk: Path, loads: int = 8) -> float | None:
    """Seconds from navigation to the first row of agents, painted; None without a browser."""
    browser, driver = (
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    )
    if browser is None or driver is None or find_spec("selenium") is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.support.wait import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-extensions",
    ):
        options.add_argument(f"--{argument}")
    page = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )
    try:
        with served(desk) as (_, port):
            name, _, secret = _session(port)[1]["cookie"].partition("=")
            page.get(f"http://127.0.0.1:{port}/")
            page.add_cookie({"name": name, "value": secret})
            page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})
            taken = []
            for load in range(loads):
                page.get(f"http://127.0.0.1:{port}/?load={load}#/overview")
                taken.append(
                    WebDriverWait(page, 60).until(
                        lambda there: there.execute_script("return window.shownAt")
                    )
                )
        return float(np.median(taken)) / 1000
    finally:
        page.quit()


@contextmanager
def served(desk: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """`tercel console` of a desk in a process of its own, and its port."""
    command = [sys.executable, "-m", "tercel.cli", "console", str(desk), "--port", "0"]
    env = os.environ | {
        "TERCEL_CONSOLE_PASSWORD": PASSWORD,
        "TERCEL_PEOPLE": str(desk.parent / "people.json"),
    }
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    try:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"127\.0\.0\.1:(\d+)/", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, int(found.group(1))
    finally:
        process.terminate()
        process.wait()


def _session(port: int) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    """A connection and the headers of somebody who is logged in; the console answers once it listens."""
    words = json.dumps({"name": "admin", "password": PASSWORD})
    ends = monotonic() + 60
    while True:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            line.request("POST", "/api/login", words, {"content-type": "application/json"})
            answer = line.getresponse()
            break
        except ConnectionError:
            if monotonic() > ends:
                raise
            sleep(0.01)
    answer.read()
    assert answer.status == 200, answer.status
    return line, {"cookie": str(answer.headers["set-cookie"]).split(";")[0]}


@contextmanager
def _streams(port: int, name: str, pages: int = PAGES) -> Iterator[dict[socket.socket, int]]:
    """The streams of so many pages, a socket each, by their numbers."""
    _, headers = _session(port)
    lines = dict[socket.socket, int]()
    for number in range(pages):
        line = socket.create_connection(("127.0.0.1", port))
        asked = (
            f"GET /api/desks/{name}/stream HTTP/1.1",
            f"host: 127.0.0.1:{port}",
            f"cookie: {headers['cookie']}",
        )
        line.sendall("\r\n".join((*asked, "", "")).encode())
        lines[line] = number
    yield lines
    for line in lines:
        line.close()


def _hear(
    streams: dict[socket.socket, int],
    left: dict[socket.socket, bytes],
    heard: list[list[tuple[float, int]]],
) -> None:
    """Take what came: when, and the number of the last entry in it, for every page; `left`: what is no message yet."""
    with selectors.DefaultSelector() as selector:
        for line in streams:
            selector.register(line, selectors.EVENT_READ)
        ready = {key.fileobj for key, _ in selector.select(0.05)}
    for line in streams.keys() & ready:
        *whole, left[line] = (left[line] + line.recv(1 << 20)).split(b"\n\n")
        for message in whole:
            _, found, text = message.partition(b"data: ")
            if found and (seq := json.loads(text).get("seq")) is not None:
                heard[streams[line]].append((monotonic(), int(seq)))


def _cpu_s(pid: int) -> float:
    """Processor seconds that a process and its threads have used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _asked(
    line: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[float, Any]:
    """How long an answer took, s, and what it says."""
    begun = monotonic()
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {body[:200]!r}")
    said = json.loads(body)
    return monotonic() - begun, said


def _opened(desk: Path, entries: int) -> tuple[float, float, float, float, float]:
    """Of a long journal: s to an answer and until all is read, p95 of a question (ms), MB; s to a past minute."""
    written(desk, entries)
    start = monotonic()
    with served(desk) as (process, port):
        line, headers = _session(port)
        asked, first = list[float](), 0.0
        while True:
            took, state = _asked(line, f"/api/desks/{desk.name}/state", headers)
            asked.append(1000 * took)
            first = first or monotonic() - start
            if state["reading"] is None:
                break
            sleep(0.05)
        whole, past = monotonic() - start, f"/api/desks/{desk.name}/at?ns="
        slowest = max(
            _asked(line, f"{past}{minute * MINUTE}", headers)[0]
            for minute in (1, 17, 100, 200, 300, 389)
        )
        return first, whole, _at(np.array(asked), 95), rss_mb(process.pid), slowest


def _go_on(folder: str, entries: int, told: Connection) -> None:
    """A desk's journal of so many entries, which grows at a desk's pace from the first word to the second."""
    day = a_day(entries + 60 * DAY_ENTRIES_S, 4, 2)
    journal = SqlJournal(folder, "bench")
    for some in _bursts(islice(day, entries), 5000):
        journal.append(some)
    told.send(journal.last)
    told.recv()
    for entry in day:
        journal.append([entry])
        if told.poll(1 / DAY_ENTRIES_S):
            break
    journal.close()


def current(desk: Path, entries: int = DAY) -> tuple[float, float]:
    """From a console's start until a page has the desk's newest state: s, and the console's CPU s at reference speed."""
    here, there = get_context("spawn").Pipe()
    writer = get_context("spawn").Process(
        target=_go_on, args=(str(desk), entries, there), daemon=True
    )
    writer.start()
    newest = here.recv()
    here.send("go")
    factor = float(np.median([loop_s() for _ in range(5)])) / REFERENCE_S
    start = monotonic()
    with served(desk) as (process, port), _streams(port, desk.name, 1) as streams:
        heard, left = [list[tuple[float, int]]()], dict.fromkeys(streams, b"")
        while not heard[0] or heard[0][-1][1] < newest:
            _hear(streams, left, heard)
        wall_s, cpu_s = monotonic() - start, _cpu_s(process.pid) / factor
    here.send("end")
    writer.join()
    return wall_s, cpu_s


def written(desk: Path, entries: int) -> None:
    """A journal of so many entries, in the folder of a desk."""
    journal = SqlJournal(desk, "bench")
    for some in _bursts(a_day(entries, AGENTS), 5000):
        journal.append(some)
    journal.close()
