"""Logging in by an identity provider: npm's oidc-provider, as it comes."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from tests.api.console.conftest import Place, listening
from tests.conftest import FOREIGN, no_engine
from tests.desk.console.desks import QUICK, ListedDesk, S, Steady, a_session, served_by
from tests.waiting import until

from tercel.api.console.oidc import IdentityProvider, ProviderError, load_provider
from tercel.api.console.people import People
from tercel.api.console.web import create_app
from tercel.core.errors import ConfigError


@dataclass
class Both:
    """A console and a provider, at their addresses."""

    console: str
    issuer: str
    desk: ListedDesk
    people: People


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Both]:
    modules = FOREIGN / "node_modules"
    if not (modules / "oidc-provider").is_dir() or not shutil.which("node"):
        no_engine(f"no oidc-provider in {modules}, or no node; run make peers")
    folder, at = tmp_path_factory.mktemp("oidc"), free_port()
    issuer = f"http://127.0.0.1:{at}"
    shutil.copy(made, folder / "people.json")
    (folder / "secret").write_text("a secret of the client\n")
    (folder / "oidc.toml").write_text(
        f'issuer = "{issuer}"\nclient_id = "tercel"\nsecret_file = "secret"\n'
    )
    people, desk = People(folder / "people.json", lambda: 1e9, QUICK), ListedDesk(a_session())
    desks = served_by(folder, desk, now_s=time.monotonic, wall_ns=lambda: 10**9 * S)
    provider = load_provider(folder / "oidc.toml", time.monotonic)
    with listening(create_app(desks, people, time.monotonic, provider=provider)) as port:
        console = f"http://127.0.0.1:{port}"
        script = str(Path(__file__).with_name("provider.mjs"))
        said = (folder / "provider.out").open("w")
        words = ["node", script, str(modules), str(at), f"{console}/oidc/callback"]
        process = subprocess.Popen(words, stdout=said, stderr=said)
        try:
            until(lambda: "listening" in (folder / "provider.out").read_text(), what="the provider")
            yield Both(console, issuer, desk, people)
        finally:
            process.terminate()
            process.wait(30)


def followed(client: httpx.Client, answer: httpx.Response, stop: str) -> httpx.Response:
    """Follow redirects and the provider's forms, until an address begins with `stop`."""
    for _ in range(20):
        if answer.is_redirect:
            there = urljoin(str(answer.url), answer.headers["location"])
            if there.startswith(stop):
                return answer
            answer = client.get(there)
        else:
            form = re.search(r'action="([^"]+)"', answer.text)
            assert form is not None, answer.text[:500]
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text))
            fields |= (
                {"login": client.headers["x-who"], "password": "any"}
                if 'name="login"' in answer.text
                else {}
            )
            answer = client.post(urljoin(str(answer.url), form[1]), data=fields)
    raise AssertionError("the provider never came back")


def come_back(both: Both, who: str) -> tuple[httpx.Client, str]:
    """A browser that has logged in at the provider, and where that sends it."""
    client = httpx.Client(timeout=60, headers={"x-who": who})
    answer = followed(client, client.get(f"{both.console}/oidc"), f"{both.console}/oidc/callback")
    return client, str(answer.headers["location"])


def test_who_the_provider_names_is_in_with_the_role_of_the_file(both: Both) -> None:
    client, back = come_back(both, "trader")
    answer = client.get(back)
    assert answer.status_code == 200, answer.text
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    me = client.get(f"{both.console}/api/me").json()
    assert (me["name"], me["role"]) == ("trader", "trader")
    said = client.post(
        f"{both.console}/api/kill",
        json={"scope": "all", "reason": "test"},
        headers={"x-csrf": me["csrf"]},
    )
    assert said.status_code == 200, said.text
    assert both.desk.latch is not None
    assert both.desk.latch.by == f"trader (oidc:{both.issuer})"


def test_who_is_not_in_the_file_stays_out(both: Both) -> None:
    client, back = come_back(both, "stranger")
    assert client.get(back).status_code == 403
    assert client.get(f"{both.console}/api/me").status_code == 401


def test_a_login_is_of_its_browser_and_once(both: Both) -> None:
    client, back = come_back(both, "trader")
    assert httpx.get(back).status_code == 401, "another browser"
    forged = client.get(re.sub(r"state=[^&]+", "state=guess", back))
    assert forged.status_code == 401
    assert client.get(back).status_code == 401, "begun once, tried once"


def test_a_code_that_is_none_lets_nobody_in(both: Both) -> None:
    client, back = come_back(both, "trader")
    assert client.get(re.sub(r"code=[^&]+", "code=guess", back)).status_code == 401


# -- without a provider ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", ["http://issuer.example", "ftp://127.0.0.1", "issuer"])
def test_a_provider_is_reached_by_tls_or_on_loopback(issuer: str) -> None:
    with pytest.raises(ProviderError, match="https"):
        IdentityProvider(issuer, "tercel", "secret", Steady())


@pytest.mark.parametrize(
    "text",
    ["", 'issuer = "https://a"', "=", 'issuer="https://a"\nclient_id="b"\nsecret_file="c"\nx=1'],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "oidc.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"oidc\.toml"):
        load_provider(tmp_path / "oidc.toml", Steady())


def test_a_provider_that_is_away_breaks_nothing(place: Place, tmp_path: Path) -> None:
    provider = IdentityProvider(f"http://127.0.0.1:{free_port()}", "tercel", "secret", Steady())
    desks = served_by(tmp_path / "away", ListedDesk([]), now_s=Steady(), wall_ns=lambda: 0)
    with listening(create_app(desks, place.people, time.monotonic, provider=provider)) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/oidc").status_code == 409
        assert httpx.get(f"http://127.0.0.1:{port}/oidc/callback?state=&code=x").status_code == 401
