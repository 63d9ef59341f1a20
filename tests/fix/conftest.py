"""Servers, clients and counterparties that are closed at the end."""

import socket

import pytest
from tests.fix.plain import PlainClient

from certify.tiny import TinyVenue
from exchange.fix.server import serve_fix
from tercel.core.link.connection import WaitLimits
from tercel.fix.opening import open_fix_venue


@pytest.fixture
def port():
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve(port, tmp_path):
    """Serve a tiny venue; closed at the end."""
    servers = []

    def make(logins=("A", "B"), **options):
        venue = options.pop("venue", None) or TinyVenue()
        options.setdefault("store", tmp_path / "server")
        servers.append(serve_fix(venue, port, logins, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def connect(port):
    """Log on; closed at the end."""
    clients = []

    def make(comp_id="A", **options):
        options.setdefault("patience", WaitLimits(step_s=10.0))
        clients.append(open_fix_venue("127.0.0.1", port, comp_id, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def plain(port):
    """A counterparty that speaks FIX with nothing but a socket; closed at the end."""
    clients = []

    def make(comp_id="A", **options):
        clients.append(PlainClient(port, comp_id, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def profile(tmp_path):
    """The path of a profile that is made of a text."""
    made = []

    def make(text):
        path = tmp_path / f"profile{len(made)}.toml"
        path.write_text(text, encoding="utf-8")
        made.append(path)
        return str(path)

    return make
