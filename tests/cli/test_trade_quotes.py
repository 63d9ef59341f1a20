"""`tercel trade quotes`, and the section RFQ of `tercel trade tca` and of a day: a journal in, tables and JSON out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.test_desk_day import kept
from tests.desk.trading.quote_journal import (
    AGENT,
    NAME,
    S,
    asked,
    order_and_report,
    parent,
    quoted,
    said,
    session,
    story,
)
from tests.desk.trading.test_quoted_requests import read
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core.ports import Entry
from tercel.core.serialization import to_jsonable
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import pack

SHAPE = {
    "id",
    "at",
    "name",
    "side",
    "quantity",
    "dealers",
    "quotes",
    "outcome",
    "cover",
    "mid",
    "drift_bps",
}


def trade(*words: Any) -> Any:
    return CliRunner().invoke(app, ["trade", *map(str, words)])


def analysed(name: str, ns: int) -> Entry:
    """The analysis of a parent that is over."""
    body = {
        "side": 1,
        "quantity": 50,
        "start_ns": ns,
        "end_ns": ns + 9,
        "is_bps": 3.0,
        "filled": 50,
        "notional": 1e4,
    }
    blob = pack({"executions": np.zeros((0, 7), np.int64), "mids": np.array([[ns, 20_000]])})
    return Entry(kinds.TCA, ns, NAME, AGENT, name, body=body, blob=blob)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A request that traded, by a person."""
    entries = [
        session(),
        parent(),
        asked(10 * S, dealers=["A", "B"], by="ann (password)"),
        quoted(11 * S, "a", "A", 10_004),
        quoted(12 * S, "b", "B", 10_002),
        said("accepted", 14 * S, id="b", order="p1.1", mid2=20_000, by="ann (password)"),
        *order_and_report("p1.1", 1, 50, 10_002, 14 * S, "p1", rejected=False),
        said("ended", 15 * S, outcome="traded"),
        *(said("drift", (10 + t) * S, after_s=t, mid2=20_000 + 2 * t) for t in (1, 10, 60)),
    ]
    return kept(tmp_path / "d1", entries)


def test_the_json_has_its_shape(one: Path) -> None:
    done = trade("quotes", one, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"requests"}
    (request,) = found["requests"]
    assert set(request) >= SHAPE
    quotes = [{key: quote[key] for key in ("dealer", "price", "at")} for quote in request["quotes"]]
    assert {key: request[key] for key in SHAPE} | {"quotes": quotes} == {
        "id": "r1",
        "at": 10 * S,
        "name": NAME,
        "side": 1,
        "quantity": 5000.0,
        "dealers": ["A", "B"],
        "quotes": [
            {"dealer": "B", "price": 100.02, "at": 12 * S},
            {"dealer": "A", "price": 100.04, "at": 11 * S},
        ],
        "outcome": "traded",
        "cover": 100.04,
        "mid": 100.0,
        "drift_bps": {span: pytest.approx(t) for span, t in (("1s", 1), ("10s", 10), ("60s", 60))},
    }


def test_the_terminal_has_a_table_and_five_sentences_at_most(one: Path, tmp_path: Path) -> None:
    done = trade("quotes", one)
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "r1" in text
    assert (
        "1 request: 1 traded. Dealers answered 2 of 2 times, 1.50 (too few) s after the request"
        in text
    )
    lines = trade("quotes", kept(tmp_path / "d2", story(2)[0])).stdout.splitlines()
    assert 3 <= sum(line.endswith(".") for line in lines) <= 5


def test_a_desk_without_requests_and_no_desk(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", [session()])
    assert json.loads(trade("quotes", folder, "--json").stdout) == {"requests": []}
    assert "none" in trade("quotes", folder).stdout
    refused = trade("quotes", tmp_path / "nowhere")
    assert (refused.exit_code, "to go on" in refused.stderr) == (2, True)


def test_the_costs_of_a_desk_and_of_its_day_have_the_section(tmp_path: Path) -> None:
    entries = [*story(4)[0], analysed("p0", 9000 * S)]
    folder = kept(tmp_path / "d1", entries)
    expected = to_jsonable([asdict(row) for row in read(entries)[1]])
    done = trade("tca", "--desk", folder, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rfq"] == expected
    page = (folder / "tca.html").read_text(encoding="utf-8")
    assert "RFQ" in page
    text = trade("tca", "--desk", folder).stdout
    assert "RFQ" in text
    assert "hit ratio" in text
    out = tmp_path / "day.html"
    done = trade("day", folder, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    (day,) = json.loads(done.stdout)["desks"]
    assert day["rfq"] == expected
    assert "RFQ: requests for quotes by dealer" in out.read_text(encoding="utf-8")


def test_costs_without_requests_say_nothing_of_them(tmp_path: Path) -> None:
    folder = kept(tmp_path / "d1", [session(), parent("p0"), analysed("p0", 90 * S)])
    assert json.loads(trade("tca", "--desk", folder, "--json").stdout)["rfq"] == []
    assert "RFQ" not in (folder / "tca.html").read_text(encoding="utf-8")
