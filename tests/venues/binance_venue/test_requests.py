"""Requests: never more weight than allowed, answers of every kind in the package's words, no secret in any."""

import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError, VenueError
from tercel.core.link.connection import TlsSettings
from tercel.venues.binance_venue.api_key import ApiSigner
from tercel.venues.binance_venue.rest import BinanceRest, RequestRefusedError
from tercel.venues.binance_venue.terms import check_url
from tercel.venues.binance_venue.weight_budget import WeightBudget

KEY, SECRET = "K" * 64, "S" * 64


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 250)), max_size=60), st.floats(0, 60))
def test_no_minute_of_any_clock_has_more_than_its_weight(
    asks: list[tuple[float, int]], phase: float
) -> None:
    now = [0.0]
    budget, spent = WeightBudget(1000, lambda: now[0]), list[tuple[float, int]]()
    for wait, weight in asks:
        now[0] += wait
        if budget.fits(weight):
            budget.spend(weight)
            spent.append((now[0], weight))
        else:
            with pytest.raises(VenueError):
                budget.spend(weight)
    for minute in range(-1, 50):
        begins = phase + 60 * minute
        assert sum(weight for at, weight in spent if begins <= at < begins + 60) <= 1000


def test_what_others_use_counts_too_and_questions_leave_a_part_to_orders() -> None:
    now = [0.0]
    budget = WeightBudget(1000, lambda: now[0])
    budget.spend(100)
    budget.take_reported(700)
    for lower in (3, -5, 0):
        budget.take_reported(lower)
        assert budget.used == 700, "others at the same address may have used it"
    assert (budget.fits(201, question=True), budget.fits(201)) == (False, True)
    now[0] = 62.0
    assert budget.used == 0
    budget.block(5.0, "status 418: banned")
    with pytest.raises(VenueError, match="banned"):
        budget.spend(1)
    now[0] = 68.0
    budget.spend(1)


class Scripted(BaseHTTPRequestHandler):
    """Answers what the test has written down."""

    answers: deque[bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.wfile.write(self.answers.popleft())
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[BinanceRest, type[Scripted], WeightBudget]]:
    handler = type("Answers", (Scripted,), {"answers": deque(), "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    budget = WeightBudget()
    signer = ApiSigner(KEY, secret=SECRET)
    rest = BinanceRest(
        f"http://127.0.0.1:{server.server_port}", signer, budget, TlsSettings(), lambda: 5, 5000
    )
    yield rest, handler, budget
    rest.close()
    server.shutdown()
    server.server_close()


def answer(status: str, body: str, *headers: str, length: int = -1) -> bytes:
    size = len(body) if length < 0 else length
    head = "\r\n".join(
        (f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers)
    )
    return f"{head}\r\n\r\n{body}".encode()


def test_answers_and_weight_are_read(
    scripted: tuple[BinanceRest, type[Scripted], WeightBudget],
) -> None:
    rest, told, budget = scripted
    told.answers.append(answer("200 OK", '{"p": 0.10}', "X-MBX-USED-WEIGHT-1M: 44"))
    assert rest.ask("/api/v3/depth", 5) == {"p": "0.10"}
    assert budget.used == 44


@pytest.mark.parametrize(
    ("said", "code", "unsure", "waits", "words"),
    [
        (
            answer("429 Too Many Requests", '{"code":-1003,"msg":"Too much."}', "Retry-After: 7"),
            -1003,
            False,
            7,
            "wait",
        ),
        (
            answer("418 I'm a teapot", '{"code":-1003,"msg":"Banned."}', "Retry-After: 120"),
            -1003,
            False,
            120,
            "wait",
        ),
        (answer("503 Service Unavailable", "<html>"), 0, True, 0, "errors.md"),
        (
            answer("504 Gateway Timeout", '{"code":-1007,"msg":"Timeout."}'),
            -1007,
            True,
            0,
            "errors.md",
        ),
        (answer("400 Bad Request", '{"code":-1021,"msg":"Timestamp."}'), -1021, False, 0, "clock"),
        (answer("400 Bad Request", '{"code":-1022,"msg":"Signature."}'), -1022, False, 0, "secret"),
        (
            answer("401 Unauthorized", '{"code":-2015,"msg":"Invalid API-key."}'),
            -2015,
            False,
            0,
            "permissions",
        ),
    ],
)
def test_errors_have_three_parts(
    scripted: tuple[BinanceRest, type[Scripted], WeightBudget],
    said: bytes,
    code: int,
    unsure: bool,
    waits: int,
    words: str,
) -> None:
    rest, told, budget = scripted
    told.answers.append(said)
    with pytest.raises(RequestRefusedError) as caught:
        rest.ask("/api/v3/account", 20, signed=True)
    error = caught.value
    assert (error.code, error.unsure) == (code, unsure)
    assert min(waits, 60) - 1 < budget.wait_s <= min(waits, 60)
    assert words in error.remedy
    assert "signature" not in str(error)


@pytest.mark.parametrize("said", ["<html>hello</html>", "", "not json"])
def test_a_page_that_is_no_json_says_what_came(
    scripted: tuple[BinanceRest, type[Scripted], WeightBudget], said: str
) -> None:
    rest, told, _ = scripted
    told.answers.append(answer("200 OK", said))
    with pytest.raises(VenueError, match=rf"received '{said}'.*the URL is Binance's"):
        rest.ask("/api/v3/account", 20, signed=True)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200", answer("200 OK", '{"a":', length=500), b"rubbish\r\n\r\n"]
)
def test_half_an_answer_is_none(
    scripted: tuple[BinanceRest, type[Scripted], WeightBudget], said: bytes
) -> None:
    rest, told, _ = scripted
    told.answers.append(said)
    with pytest.raises(VenueError, match="/api/v3/time"):
        rest.ask("/api/v3/time", 1)
    assert len(told.asked) == 1


def test_a_signature_is_the_documents() -> None:
    """`rest-api.md`, "SIGNED Endpoint Examples"."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    signer = ApiSigner(
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", secret=secret
    )
    payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    assert (
        signer.sign(payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("", {"secret": SECRET}), (KEY, {"secret": "short"}), (KEY, {"private_key": "no pem"})],
)
def test_a_key_of_a_wrong_kind_is_refused_and_not_shown(name: str, words: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiSigner(name, **words)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://api.binance.com", "http://127.0.0.1.evil.example", "http://10.0.0.1", "ftp://127.0.0.1", "https://", "",
     "https://name:word@host.example", "//host", "http://localhost.example"],
)  # fmt: skip
def test_a_base_url_without_tls_is_refused_but_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_url("rest_url", url, "https", "http")
    assert "word" not in str(caught.value).replace("password", "")
    check_url("rest_url", "http://[::1]:80", "https", "http")
    check_url("rest_url", "http://localhost:80", "https", "http")
