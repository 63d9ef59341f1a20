"""Our client and our acceptor in Binance's words, both ways under its dictionaries; and what these words cannot say."""

import pytest
from tests.exchange.fix.test_binance_connector import PROFILE, key_pair
from tests.fix.certificates import authority, certificate
from tests.fix.elsewhere import heard
from tests.parts import whole

from certify.tiny import TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.hosted_dialect import HostedDialect
from tercel.core import orders as o
from tercel.core.errors import ConfigError
from tercel.core.link.connection import TlsSettings, WaitLimits
from tercel.fix.opening import open_fix_venue
from tercel.fix.profiles import load
from tercel.fix.protocol import validate as v
from tercel.fix.protocol.message import Message

SESSION = """
[session]
sender = "{sender}"
host = "localhost"
port = {port}
[tls]
ca = "{ca}"
[logon]
username = {{ env = "TERCEL_BINANCE_KEY" }}
private_key = {{ file = "{key}" }}
"""
MARKET = """
[market]
session = "{feed}"
"""


@pytest.fixture
def words(shared_peers, profile):
    """The venue's words for a login that has an order."""
    dictionary = shared_peers / "binance" / "spot-fix-oe.xml"
    terms = load(profile(PROFILE.format(base="binance", dictionary=dictionary)))
    return HostedDialect(terms, 10**18), terms.dictionary


@pytest.fixture
def client(serve, port, tmp_path, profile, shared_peers, monkeypatch):
    """Our client, logged on at our acceptor, both of the venue's kind."""
    pytest.importorskip("cryptography", reason="pip install 'tercel[sign]'")
    monkeypatch.setenv("TERCEL_BINANCE_KEY", "api-key")
    ca = authority(tmp_path / "ca")
    key, public = key_pair(tmp_path, "desk")
    key.chmod(0o600)
    texts, logins = {}, []
    for name, kind, base in (("DESK", "oe", "binance"), ("FEED", "md", "binance-md")):
        texts[name] = PROFILE.format(
            base=base, dictionary=shared_peers / "binance" / f"spot-fix-{kind}.xml"
        )
        terms = load(profile(texts[name]))
        logins.append(Login(name, username="api-key", public_key=public.read_text(), terms=terms))
        texts[name] += SESSION.format(sender=name, port=port, ca=ca, key=key)
    serve(logins, comp_id="SPOT", tls=TlsSettings(*certificate(ca, "localhost")))
    ours = texts["DESK"] + MARKET.format(feed=profile(texts["FEED"]))
    with open_fix_venue(profile=profile(ours), patience=WaitLimits(logon_s=20.0)) as made:
        yield made


def buy(name, lots=4, price=98):
    return o.NewOrder(name, "TINY", 1, lots, price, o.Tif.DAY, "acc", "p", 0)


def test_an_order_lives_there_as_anywhere(client):
    assert [(one.instrument, one.tick, one.lot) for one in client.listings()] == [
        ("TINY", 0.05, 10)
    ]
    client.send(buy("p.1"))
    (new,) = heard(client, 1)
    assert (new.exec_type, new.cl_ord_id, new.account, new.lots, whole(new.leaves_qty)) == (
        o.ExecType.NEW,
        "p.1",
        "acc",
        4,
        4,
    )
    client.send(o.ReplaceOrder("p.2", "p.1", "TINY", 1, 3, 98, "acc", "p", 0))
    (less,) = heard(client, 1)
    assert (less.exec_type, less.cl_ord_id, less.orig, less.lots) == (
        o.ExecType.REPLACED,
        "p.2",
        "p.1",
        3,
    )
    client.send(o.ReplaceOrder("p.3", "p.2", "TINY", 1, 5, 97, "acc", "p", 0))
    (other,) = heard(client, 1)
    assert (other.exec_type, other.cl_ord_id, other.orig, other.lots, other.price) == (
        *(o.ExecType.REPLACED, "p.3", "p.2", 5, 97),
    )
    client.send(buy("q.1", 2, 101))
    new, traded = heard(client, 2)
    assert (
        new.cl_ord_id,
        traded.exec_type,
        whole(traded.last_qty),
        whole(traded.last_px),
        traded.passive,
    ) == (*("q.1", o.ExecType.TRADE, 2, 101, False),)
    client.send(o.MassCancel("all", "", "TINY", 0))
    (over,) = heard(client, 1)
    assert (over.exec_type, over.cl_ord_id) == (o.ExecType.CANCELED, "p.3")
    client.send(o.CancelOrder("c.1", "p.3", "TINY", 1, "acc", 0))
    (refused,) = heard(client, 1, o.CancelReject)
    assert (refused.cl_ord_id, refused.status) == ("c.1", o.OrdStatus.UNKNOWN)


def test_its_book_is_that_of_the_venue(client):
    client.subscribe("TINY")
    (book,) = heard(client, 1, o.MarketRows)
    shown = {
        (row[o.M_SIDE], row[o.M_PRICE]): row[o.M_LOTS]
        for row in book.rows.tolist()
        if row[o.M_SIDE]
    }
    assert shown == {(1, 99): 5, (1, 98): 5, (-1, 101): 5, (-1, 102): 5}


FIELDS = [
    (37, "9"),
    (17, "e7"),
    (11, "a"),
    (55, "TINY"),
    (54, "1"),
    (38, "20"),
    (40, "2"),
    (44, "4.90"),
    (14, "0"),
]


@pytest.mark.parametrize(
    ("kind", "status"), [("H", "0"), ("G", "1"), ("A", "A"), ("6", "6"), ("0", "E")]
)
def test_what_the_dictionary_has_no_word_for_is_not_told(words, kind, status):
    host, _ = words
    assert host.outward("8", [*FIELDS, (150, kind), (39, status), (151, "20")]) == []


def test_a_name_where_a_number_is_wanted_becomes_one_and_stays_it(words):
    host, dictionary = words
    said = [
        host.outward("8", [*FIELDS, (150, "0"), (39, "0"), (1, "acc"), (6, "0")])[0]
        for _ in range(2)
    ]
    assert said[0] == said[1]
    kind, fields = said[0]
    head = [(35, kind), (49, "SPOT"), (56, "DESK"), (34, "2"), (52, "20250615-15:06:40.000000")]
    assert v.first_fault(Message("FIX.4.4", [*head, *fields]), dictionary) is None
    assert dict(fields)[17].isdigit()
    assert {1, 6} & dict(fields).keys() == set()


def test_a_profile_without_its_dictionary_hosts_nobody(serve):
    with pytest.raises(ConfigError, match="the dictionary of binance"):
        serve([Login("DESK", terms=load("binance"))], venue=TinyVenue())
