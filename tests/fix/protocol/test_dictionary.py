"""Shipped dictionaries and a venue's: whole messages fit them, every fault has its reason and its tag."""

from pathlib import Path

import pytest
from tests.fix.protocol.samples import HEAD, full

from tercel.core.errors import ConfigError
from tercel.fix.protocol.codec import decode, encode
from tercel.fix.protocol.dictionary import Block, Dictionary, read_toml, standard
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.quickfix_xml import read_xml
from tercel.fix.protocol.validate import faults, first_fault

STANDARD = [
    (version, kind) for version in ("FIX.4.2", "FIX.4.4") for kind in standard(version).messages
]
FOUR = standard("FIX.4.4")


def round_trip(kind: str, dictionary: Dictionary) -> None:
    message = full(kind, dictionary)
    raw = encode(message.begin, message.fields, dictionary.data_fields)
    back = decode(raw, dictionary.data_fields)
    assert back.fields == message.fields
    assert first_fault(back, dictionary) is None
    inside(back, dictionary.messages[kind].block)


def inside(message: Message, block: Block) -> None:
    """Both entries of every group are there, with all that they hold, groups inside them too."""
    for counter, inner in block.members.items():
        if inner is not None:
            entries = message.entries(counter, inner.tags)
            assert len(entries) == 2
            assert entries[0].fields == entries[1].fields
            assert set(inner.members) == set(inner.members) & set(entries[0].tags)
            inside(entries[0], inner)


@pytest.mark.parametrize(("version", "kind"), STANDARD)
def test_every_message_of_the_standard_comes_back(version: str, kind: str) -> None:
    round_trip(kind, standard(version))


@pytest.mark.parametrize("name", ["spot-fix-oe.xml", "spot-fix-md.xml"])
def test_every_message_of_a_venue_comes_back(shared_peers: Path, name: str) -> None:
    dictionary = read_xml(shared_peers / "binance" / name)
    assert dictionary.version == "FIX.4.4"
    assert len(dictionary.messages) > 10
    for kind in dictionary.messages:
        round_trip(kind, dictionary)


ORDER = ((11, "A1"), (55, "XYZ"), (54, "1"), (60, "20231114-22:13:20"), (38, "100"), (40, "2"))


def fault(
    kind: str,
    *body: tuple[int, str],
    head: tuple[tuple[int, str], ...] = HEAD,
    user_tags: bool = False,
):
    found = first_fault(Message("FIX.4.4", [(35, kind), *head, *body]), FOUR, user_tags)
    return found and (found.reason, found.tag)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ((), None),
        (((999, "x"),), (0, 999)),
        (((0, "x"),), (0, 0)),
        (((-1, "x"),), (0, -1)),
        (((7000, "x"),), (0, 7000)),
        (((112, "x"),), (2, 112)),
        (((704, "1"),), (2, 704)),  # the standard's, though no message here has it
        (((58, ""),), (4, 58)),
        (((59, "9"),), (5, 59)),
        (((18, "1 2"),), None),
        (((18, "1 ~"),), (5, 18)),
        (((44, "+1"),), (6, 44)),
        (((44, "1e3"),), (6, 44)),
        (((126, "20231114"),), (6, 126)),
        (((432, "20231131"),), None),  # a day that this month has not: the form alone is looked at
        (((432, "20231232"),), (6, 432)),
        (((114, "yes"),), (6, 114)),
        (((11, "A2"),), (13, 11)),
        (((52, "20231114-22:13:20"),), (14, 52)),
        (((93, "1"), (89, "x"), (58, "late")), (14, 58)),
        (((386, "2"), (336, "1"), (625, "2"), (336, "3")), None),
        (((386, "0"),), None),
        (((386, "3"), (336, "1"), (336, "2")), (16, 386)),
        (((386, "1"), (336, "1"), (336, "2")), (16, 386)),
        (((386, "1"), (625, "2"), (336, "1")), (15, 625)),
        (((386, "1"), (336, "1"), (625, "2"), (625, "2")), (13, 625)),
        (((78, "1"), (79, "a"), (539, "1"), (524, "n"), (80, "1")), None),
        (((78, "1"), (79, "a"), (539, "2"), (524, "n"), (80, "1")), (16, 539)),
    ],
)
def test_every_fault_has_its_reason_and_its_tag(
    body: tuple[tuple[int, str], ...], expected: tuple[int, int] | None
) -> None:
    assert fault("D", *ORDER, *body) == expected


def test_what_is_missing() -> None:
    assert fault("D", *ORDER[1:]) == (1, 11)
    assert fault("D", *ORDER, head=HEAD[:1] + HEAD[2:]) == (1, 56)
    assert (
        fault(
            "V", (262, "q"), (263, "1"), (264, "0"), (267, "1"), (269, "0"), (146, "1"), (55, "X")
        )
        is None
    )
    assert fault("W", (55, "X"), (268, "1"), (270, "9")) == (15, 270)
    assert fault("r", (11, "A"), (37, "1"), (530, "7"), (531, "0"), (534, "1"), (41, "B")) is None
    assert fault("y", (320, "a"), (322, "b"), (560, "0"), (146, "1"), (55, "X"), (561, "1")) is None


def test_fields_of_the_body_before_the_headers() -> None:
    assert first_fault(Message("FIX.4.4", [(35, "D"), *ORDER, *HEAD]), FOUR).tag == 49  # type: ignore[union-attr]


def test_users_tags_stand_anywhere_once_they_may() -> None:
    assert (
        fault(
            "D",
            (6001, "x"),
            *ORDER,
            (386, "1"),
            (336, "1"),
            (6002, "y"),
            (625, "2"),
            user_tags=True,
        )
        is None
    )
    assert fault("D", *ORDER, (4999, "x"), user_tags=True) == (0, 4999)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            ((999, "x"), (58, ""), (52, "20231114-22:13:20"), (59, "9")),
            [(0, 999), (4, 58), (14, 52), (13, 52), (5, 59)],
        ),
        (
            ((386, "2"), (625, "2"), (336, "1"), (625, "2"), (58, "")),
            [(15, 625), (15, 625), (4, 58)],
        ),
        (((453, "1"), (447, "D"), (448, "A"), (452, "1"), (58, "")), [(15, 447), (4, 58)]),
        (((386, "x"), (336, "1"), (58, "")), [(6, 386), (16, 386), (4, 58)]),
    ],
)
def test_every_fault_of_a_message_is_found(
    body: tuple[tuple[int, str], ...], found: list[tuple[int, int]]
) -> None:
    said = Message("FIX.4.4", [(35, "D"), *HEAD, *ORDER, *body])
    assert [(one.reason, one.tag) for one in faults(said, FOUR)] == found


def test_of_an_unknown_type_the_header_is_looked_at() -> None:
    assert fault("E", (66, "x")) is None
    assert fault("E", head=HEAD[1:]) == (1, 49)


XML = """<fix type='FIX' major='4' minor='4'>{head}<messages>
 <message name='Heartbeat' msgcat='admin' msgtype='0'>{body}</message></messages>
 <components><component name='Loop'><component name='Loop' required='N'/></component></components>
 <fields><field number='35' name='MsgType' type='STRING'/><field number='112' name='TestReqID' type='STRING'/></fields>
</fix>"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!DOCTYPE fix [<!ENTITY a 'b'>]>" + XML.format(head="", body=""), "document type"),
        (
            "<!DOCTYPE fix SYSTEM 'file:///etc/passwd'>" + XML.format(head="", body=""),
            "document type",
        ),
        (XML.format(head="", body="<field name='Nothing' required='N'/>"), "Nothing"),
        (XML.format(head="", body="<component name='Loop' required='N'/>"), "inside itself"),
        ("<fix>", "data dictionary"),
        ("", "data dictionary"),
    ],
)
def test_an_xml_file_that_is_no_dictionary(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "d.xml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_xml(tmp_path / "d.xml")


def test_an_xml_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can be read"):
        read_xml(tmp_path / "none.xml")


@pytest.mark.parametrize(
    "text",
    [
        "version = ",
        "version = 'FIX.4.4'",
        "version = 'x'\nheader = '35!'\ntrailer = ''\nfields = '35 MsgType'\n[messages]",
        "version = 'x'\nheader = '35! 49'\ntrailer = ''\nfields = '35 MsgType String'\n[messages]",
        "version = 'x'\nheader = '@None'\ntrailer = ''\nfields = '35 MsgType String'\n[messages]",
    ],
)
def test_a_toml_file_that_is_no_dictionary(text: str) -> None:
    with pytest.raises(ConfigError):
        read_toml(text, "own.toml")
