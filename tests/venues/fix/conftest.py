"""FIX tests need the extra: they skip where it is absent, and fail when TERCEL_REQUIRE_FIX=1."""

import os
import socket
from importlib.util import find_spec

import pytest
from tests.venues.fix.plain import PlainClient
from tests.venues.fix.tiny import TinyVenue

from tercel.venues.fix.client import FixVenue
from tercel.venues.fix.server import serve_fix


@pytest.fixture(scope="session")
def fix_engine():
    """QuickFIX is here."""
    if find_spec("quickfix") is None:
        message = "no module quickfix; pip install 'tercel[fix]'"
        if os.environ.get("TERCEL_REQUIRE_FIX") == "1":
            pytest.fail(message)
        pytest.skip(message)


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
def connect(port, fix_engine):
    """Log on; closed at the end."""
    clients = []

    def make(comp_id="A", **options):
        options.setdefault("patience_s", 10.0)
        clients.append(FixVenue("127.0.0.1", port, comp_id, **options))
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
