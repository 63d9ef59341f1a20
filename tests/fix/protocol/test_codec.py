"""Messages survive the wire, however it cuts them; what is garbled is left out, and what follows is not."""

import pytest
from hypothesis import example, given, strategies as st

from tercel.core.errors import VenueError
from tercel.fix.protocol.codec import Decoder, GarbledMessage, checksum, decode, encode
from tercel.fix.protocol.message import Message, utc_ns, utc_text

values = st.text(
    st.characters(blacklist_characters="\x01", blacklist_categories=()), min_size=0, max_size=12
)
any_bytes = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
plain = st.tuples(st.integers(-9, 30_000).filter(lambda tag: tag not in (8, 9, 10, 95, 96)), values)


@st.composite
def bodies(draw: st.DrawFn) -> list[tuple[int, str]]:
    """Fields with a data field somewhere among them, at times."""
    fields = [(35, "D"), *draw(st.lists(plain, max_size=8))]
    if draw(st.booleans()):
        data = draw(any_bytes)
        raw = [(95, str(len(data.encode("utf-8", "surrogateescape")))), (96, data)]
        at = draw(st.integers(1, len(fields)))
        fields[at:at] = raw
    return fields


def encodable(fields: list[tuple[int, str]]) -> bool:
    lengths = {tag for tag, _ in fields} & {90, 93, 212, 348, 350, 354, 362, 364, 445, 618, 621}
    try:
        return not lengths and all(
            value.encode("utf-8", "surrogateescape") is not None for _, value in fields
        )
    except UnicodeEncodeError:  # a lone surrogate is no text
        return False


@given(st.lists(bodies().filter(encodable), min_size=1, max_size=4), st.data())
def test_messages_come_back_in_whatever_pieces(
    all_fields: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    wire = b"".join(encode("FIX.4.4", fields) for fields in all_fields)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder, found = Decoder(), []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += decoder.feed(wire[start:stop])
    expected = [
        [(tag, value.encode("utf-8", "surrogateescape")) for tag, value in fields if fields]
        for fields in all_fields
    ]
    assert [
        [(tag, v.encode("utf-8", "surrogateescape")) for tag, v in one.fields] for one in found
    ] == expected
    assert decoder.waiting == b""


@given(st.binary(max_size=200))
def test_noise_before_a_message_costs_the_noise(noise: bytes) -> None:
    """Only bytes that look like the head of a message can hide the one that follows."""
    if b"8=" in noise or noise.endswith(b"8"):
        return
    assert [
        one
        for one in Decoder().feed(noise + encode("FIX.4.4", [(35, "0")]))
        if isinstance(one, Message)
    ]


def wire(text: str) -> bytes:
    return text.replace("|", "\x01").encode()


def closed(text: str) -> bytes:
    """A text with its right CheckSum."""
    return wire(text) + b"10=%03d\x01" % checksum(wire(text))


@pytest.mark.parametrize(
    "raw",
    [
        closed("8=FIX.4.4|9=10|35=0|34=2|")[:-2] + b"9\x01",  # the sum
        closed("8=FIX.4.4|9=9|35=0|34=2|"),  # too short
        closed("8=FIX.4.4|35=0|9=10|34=2|"),
        closed("8=FIX.4.4|9=10|34=2|35=0|"),  # MsgType is not third
        closed("8=FIX.4.4|9=4|35=|"),
        closed("8=FIX.4.4|9=14|35=0|34=2|x=y|"),
        closed("8=FIX.4.4|9=15|35=0|34=2|hey||"),
        closed("8=FIX.4.4|9=15|35=0|34=2|055=|"),
        closed("8=FIX.4.4|9=17|35=A|95=9|96=abc|"),  # the data is shorter than its length
        wire("8=FIX.4.4|9=10|35=0|34=2|10=7|"),
        wire("8=FIX.4.4|9=999999999|35=0|34=2|10=000|"),
        wire("8=FIX.4.4|9=1e3|35=0|34=2|10=000|"),
        wire("nothing at all|"),
    ],
)
def test_what_is_garbled_is_left_out_and_what_follows_is_not(raw: bytes) -> None:
    following = encode("FIX.4.4", [(35, "1"), (112, "after")])
    for pieces in ([raw + following], [raw, following], [bytes([one]) for one in raw + following]):
        decoder = Decoder()
        found = [one for piece in pieces for one in decoder.feed(piece)]
        assert isinstance(found[0], GarbledMessage)
        assert [one.get(112) for one in found if isinstance(one, Message)] == ["after"]


def test_of_an_execution_every_field_is_kept() -> None:
    """Whoever reads it says what it is worth: a fill is not left out for what nothing reads."""
    body = "35=8|34=2|x=y|58|055=|95=9|96=abc|17=E1||"
    (found,) = Decoder().feed(closed(f"8=FIX.4.4|9={len(body)}|{body}"))
    read = [
        (35, "8"),
        (34, "2"),
        (0, "x=y"),
        (0, "58"),
        (0, "055="),
        (95, "9"),
        (96, "abc"),
        (17, "E1"),
        (0, ""),
    ]
    assert isinstance(found, Message)
    assert found.fields == read


def test_a_length_that_is_too_long_costs_the_message_behind_it_too() -> None:
    long = closed("8=FIX.4.4|9=40|35=0|34=2|")
    second, third = (encode("FIX.4.4", [(35, "1"), (112, name)]) for name in ("second", "third"))
    found = Decoder().feed(long + second + third)
    assert [type(one) for one in found] == [GarbledMessage, Message]


@pytest.mark.parametrize(
    "fields", [[(35, "D"), (58, "a\x0155=b")], [(35, "D"), (95, "2"), (96, "a\x01b")]]
)
def test_a_value_cannot_smuggle_a_field_in(fields: list[tuple[int, str]]) -> None:
    with pytest.raises(VenueError, match="SOH in field"):
        encode("FIX.4.4", fields)


@pytest.mark.parametrize("raw", [b"", b"8=FIX", encode("FIX.4.4", [(35, "0")]) * 2])
def test_decode_takes_one_message(raw: bytes) -> None:
    with pytest.raises(VenueError):
        decode(raw)


@given(st.integers(0, 253_402_300_799_999_999_999), st.sampled_from([0, 3, 6, 9]))
@example(9_223_372_036_000_000_000, 0)
def test_times_come_back(ns: int, digits: int) -> None:
    unit = 10 ** (9 - digits)
    of_64_bits = ns // 10**9 < 2**63 // 10**9
    assert utc_ns(utc_text(ns, digits)) == (ns // unit * unit if of_64_bits else None)


@pytest.mark.parametrize(
    "text", ["", "20231301-00:00:00", "20230229-00:00:00", "20231114-22:13", "20231114 22:13:20"]
)
def test_what_is_no_time(text: str) -> None:
    assert utc_ns(text) is None
