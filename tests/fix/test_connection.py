"""The wire below a session: bytes in order, in clear and over TLS, and an end that both sides learn of."""

import random
import select
import socket

import pytest
from tests.fix.certificates import authority, certificate

from tercel.core.errors import ConfigError, VenueError
from tercel.core.link.connection import Connection, TlsSettings


@pytest.fixture
def pair():
    """Two connections over TCP of this machine; closed at the end."""
    made = []

    def connect(server=None, client=None, **options):
        listener = socket.create_server(("127.0.0.1", 0))
        ours = Connection.connect("127.0.0.1", listener.getsockname()[1], client, **options)
        plain, _ = listener.accept()
        listener.close()
        theirs = Connection(plain, server.server() if server else None, **options)
        made.extend((ours, theirs))
        return ours, theirs

    yield connect
    for one in made:
        one.close()


def pump(*connections):
    """What each received until nothing moves for a moment; None at the end of one that is closed."""
    got = {one: [] for one in connections}
    while alive := [one for one in connections if not one.closed]:
        ready = select.select(alive, [one for one in alive if one.wants_write], [], 0.3)
        if not any(ready):
            break
        for one in ready[1]:
            one.flush()
        for one in ready[0]:
            got[one].append(one.receive())
    return [b"".join(part for part in got[one] if part) for one in connections]


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(ca):
    """TLS settings of an acceptor called localhost, and of an initiator that trusts its authority."""
    return TlsSettings(*certificate(ca, "localhost")), TlsSettings(
        authorities=ca, server_name="localhost"
    )


@pytest.mark.parametrize("tls", [False, True])
def test_bytes_arrive_in_order_however_they_are_cut(pair, request, tls):
    ours, theirs = pair(*request.getfixturevalue("secure")) if tls else pair()
    data = random.Random(1).randbytes(3 << 20)
    at = 0
    while at < len(data):
        size = random.Random(at).randrange(1, 400_000)
        ours.send(data[at : at + size])
        at += size
    theirs.send(b"hello")
    assert pump(ours, theirs) == [b"hello", data]
    assert ours.established
    assert theirs.established
    assert not ours.wants_write


@pytest.mark.parametrize("tls", [False, True])
def test_who_ends_is_heard_to_the_last_byte(pair, request, tls):
    ours, theirs = pair(*request.getfixturevalue("secure")) if tls else pair()
    assert pump(ours, theirs) == [b"", b""]
    ours.send(b"goodbye" * 100_000)
    ours.end()
    theirs.send(b"what?")
    assert pump(ours, theirs)[1] == b"goodbye" * 100_000
    assert theirs.closed
    assert theirs.receive() is None
    assert pump(ours) == [b""], "what comes after the end is passed over"
    assert ours.closed


def test_a_slow_reader_is_dropped_at_its_bound(pair):
    ours, _theirs = pair(most_waiting=1 << 20)
    sent = 0
    while not ours.closed:
        ours.send(b"x" * 65536)
        sent += 65536
        assert sent < 64 << 20, "a socket takes that much and is still open"
    assert "does not read" in ours.close_reason
    assert not ours.wants_write
    assert ours.receive() is None


def test_an_unknown_host_is_an_error():
    with pytest.raises(VenueError, match="address"):
        Connection.connect("no.such.host.invalid", 1)


def test_a_reset_is_no_exception(pair):
    ours, theirs = pair()
    pump(ours, theirs)
    theirs._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    theirs.close()
    pump(ours)
    assert ours.closed
    assert ours.receive() is None
    ours.send(b"into the void")


class TestTls:
    @pytest.mark.parametrize(
        ("trusts", "name", "why"),
        [(False, "localhost", "certificate verify failed"), (True, "elsewhere", "elsewhere")],
    )
    def test_a_certificate_of_nobody_we_know_or_of_another_name_is_refused(
        self, pair, secure, ca, trusts, name, why
    ):
        client = TlsSettings(authorities=ca if trusts else None, server_name=name)
        ours, theirs = pair(secure[0], client)
        pump(ours, theirs)
        assert (ours.closed, theirs.closed) == (True, True)
        assert why in ours.close_reason.lower()

    def test_an_acceptor_can_ask_who_it_is(self, pair, secure, ca):
        asks = TlsSettings(secure[0].certificate, secure[0].key, ca)
        ours, theirs = pair(asks, secure[1])
        ours.send(b"hi")
        assert pump(ours, theirs)[1] == b"", "an initiator without a certificate"
        known = TlsSettings(*certificate(ca, "desk"), ca, "localhost")
        ours, theirs = pair(asks, known)
        ours.send(b"hi")
        assert pump(ours, theirs)[1] == b"hi"

    def test_clear_text_at_a_secure_port_ends_the_connection(self, pair, secure):
        ours, theirs = pair(secure[0])
        ours.send(b"8=FIX.4.4\x019=5\x01")
        pump(ours, theirs)
        assert theirs.closed
        assert theirs.close_reason.startswith("TLS")

    def test_files_that_are_none_are_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="certificate"):
            TlsSettings().server()
        with pytest.raises(ConfigError, match=r"nothing\.pem"):
            TlsSettings(authorities=tmp_path / "nothing.pem").client()
