"""What keeps a desk from trading, and says why: keys, rights, clocks, symbols; and that no secret is told anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.binance.conftest import KEY, SECRET
from tests.venues.binance_venue.conftest import Served

from exchange.binance.accounts import ApiKey
from exchange.binance.words import unsupported_operation
from tercel.core import orders as o
from tercel.core.errors import ConfigError, VenueError
from tercel.venues.binance_venue.opening import open_binance_venue
from tercel.venues.binance_venue.terms import BinanceTerms
from tercel.venues.binance_venue.venue import BinanceVenue

Serve = Callable[..., Served]


def notes_of(venue: BinanceVenue) -> list[str]:
    return [one.text for one in venue.step(venue.now_ns) if isinstance(one, o.LinkStatus)]


def wallet(served: Served, **rights: Any) -> None:
    """What the server says that the key may do."""
    endpoint = served.server.desk.by_path["GET", "/sapi/v1/account/apiRestrictions"]
    before = endpoint.answer
    object.__setattr__(endpoint, "answer", lambda account, params: before(account, params) | rights)


def test_a_key_that_may_not_trade_is_refused(served: Serve) -> None:
    one = served()
    wallet(one, enableSpotAndMarginTrading=False)
    with pytest.raises(ConfigError, match="spot"):
        one.venue()


def test_rights_that_cannot_be_asked_are_said(served: Serve) -> None:
    one = served()
    del one.server.desk.by_path["GET", "/sapi/v1/account/apiRestrictions"]
    assert any("could not be checked" in note for note in notes_of(one.venue()))


def test_a_clock_that_is_off_is_refused(served: Serve) -> None:
    one = served()
    terms = BinanceTerms(**one.urls, clock_ms=2000.0)  # type: ignore[arg-type]
    for ahead_s in (-60, 60):
        with pytest.raises(
            VenueError, match=f"{'ahead' if ahead_s > 0 else 'behind'} of the venue"
        ):
            open_binance_venue(
                terms, Path(), wall=lambda ahead_s=ahead_s: one.now() + ahead_s * 10**9
            )  # type: ignore[misc]


def test_a_mode_that_a_symbol_does_not_have_is_refused(served: Serve) -> None:
    with pytest.raises(ConfigError, match="self_trade"):
        served().venue(self_trade="DECREMENT")


def test_listen_keys_serve_where_there_is_no_subscription_by_signature(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.binance import connections

    def refused(*_: Any) -> Any:
        raise unsupported_operation()

    monkeypatch.setitem(
        connections._SESSION_HANDLERS, "userDataStream.subscribe.signature", refused
    )
    venue = served(listen_keys=True).venue()
    assert venue.up
    symbol = venue.listings()[0].instrument
    venue.send(o.NewOrder("n1", symbol, 1, 1, None, o.Tif.IOC, "ann", "p", venue.now_ns))
    heard: list[o.VenueEvent] = []
    while not any(isinstance(one, o.Report) and one.exec_type is o.ExecType.TRADE for one in heard):
        heard += venue.step(venue.now_ns + 10**8)


def test_a_file_names_secrets_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text('net = "testnet"\nsymbols = ["BTCUSDT"]\n[key]\nsecret = { file = "secret" }\n')
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        BinanceTerms.read(path)
    (tmp_path / "secret").chmod(0o600)
    assert BinanceTerms.read(path).symbols == ("BTCUSDT",)
    path.write_text(f'[key]\nsecret = "{SECRET}"\n')
    with pytest.raises(ConfigError) as caught:
        BinanceTerms.read(path)
    assert SECRET not in str(caught.value)
    path.write_text('rest_url = "http://api.binance.com"\n')
    with pytest.raises(ConfigError, match="https://"):
        BinanceTerms.load_named("venue.toml", tmp_path)
    with pytest.raises(ConfigError, match="production"):
        BinanceTerms.load_named("productoin")


def test_a_secret_may_lie_in_the_keyring(
    served: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text(
        f"def get_password(service, user):\n    return {SECRET!r} if (service, user) == ('binance', 'desk') else None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    one = served()
    assert one.venue(key={"secret": {"keyring": "binance/desk"}}).up
    with pytest.raises(ConfigError, match="keyring"):
        one.venue(key={"secret": {"keyring": "binance/nobody"}})


def test_ed25519_keys_are_read_from_a_file(served: Serve, tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    made, pem = ed25519.Ed25519PrivateKey.generate(), tmp_path / "key.pem"
    pem.touch(mode=0o600)
    coding = serialization.Encoding.PEM
    pem.write_bytes(
        made.private_bytes(coding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = (
        made.public_key()
        .public_bytes(coding, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    one = served(keys=[ApiKey(KEY, "TRADER", public=public)])
    venue = one.venue(key={"private_key": {"file": str(pem)}})
    assert venue.up
    inside = pem.read_text().split()[3]
    assert inside not in repr(venue._channel._signer)
    assert venue._channel._signer.clean(f"x {inside} {KEY}") == "x *** ***"
