"""Order, duplicates, gaps: whatever the network does to packets, messages come out once and in order."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.feeds.moldudp.faulty_server import end_of_session, packets_of

from tercel.feeds.moldudp import packet, read_header, request
from tercel.feeds.moldudp.sequencer import END, PATIENCE_NS, RETRY_NS, Sequencer, blocks_of

SESSION = b"DAY0000001"
MESSAGES = st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=40)


def framed(messages: list[bytes]) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


@given(MESSAGES, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_any_order_any_loss_any_doubles_give_the_messages_once(
    messages: list[bytes], most: int, seed: int, most_held: int
) -> None:
    """Packets are shuffled, doubled and lost; what is asked for is answered, sometimes; the end comes any time."""
    rng = np.random.default_rng(seed)
    packets = packets_of(SESSION, messages, most)
    packets.append(end_of_session(SESSION, len(messages) + 1))
    packets.append(packet(b"OTHER", 1, [b"x"]))
    playing = [packets[i] for i in rng.integers(0, len(packets), 2 * len(packets))]
    s = Sequencer(SESSION, most_held=most_held)
    out, now = b"", 0
    for data in playing:
        now += 1_000_000
        out += s.take(data, now)
    out += s.take(packets[-2], now)
    rounds = 0
    while not s.ended:
        now += RETRY_NS
        rounds += 1
        assert rounds < 2_000
        for first, count in s.wanted(now):
            assert 1 <= first <= first + count - 1 <= len(messages)
            if rng.random() < 0.7:
                out += s.take(
                    packet(SESSION, first, messages[first - 1 : first - 1 + min(count, 3)]), now
                )
    assert out == framed(messages)
    assert s.counts.messages == len(messages) == s.expected - 1
    assert not s._held


def test_a_gap_is_asked_for_after_a_moment_and_again_later() -> None:
    s = Sequencer()
    assert s.take(packet(SESSION, 1, [b"a"]), 0) == b"\x00\x01a"
    assert s.take(packet(SESSION, 4, [b"d"]), 0) == b""
    assert s.take(packet(SESSION, 7, []), 0) == b""  # a heartbeat tells of 5 and 6
    assert s.missing
    assert s.wanted(PATIENCE_NS - 1) == []
    assert s.wanted(PATIENCE_NS) == [(2, 2), (5, 2)]
    assert s.wanted(PATIENCE_NS + 1) == []
    assert s.wanted(PATIENCE_NS + RETRY_NS) == [(2, 2), (5, 2)]
    assert s.take(packet(SESSION, 2, [b"b", b"c"]), 0) == b"\x00\x01b\x00\x01c\x00\x01d"
    assert s.take(packet(SESSION, 1, [b"a", b"b"]), 0) == b""
    assert s.counts.duplicates == 2
    assert s.take(packet(SESSION, 5, [b"e", b"f"]), 0) == b"\x00\x01e\x00\x01f"
    assert not s.missing
    s.take(end_of_session(SESSION, 7), 0)
    assert s.ended
    assert (s.counts.gaps, s.counts.requests, s.counts.heartbeats, s.counts.early) == (1, 4, 1, 1)


def test_what_is_no_packet_is_counted_and_changes_nothing() -> None:
    s = Sequencer(SESSION)
    good = packet(SESSION, 1, [b"abc", b"d"])
    for data in (
        b"",
        good[:19],
        good[:-1],
        good + b"x",
        packet(SESSION, 0, [b"a"]),
        packet(SESSION, 1, [b""]),
    ):
        assert s.take(data, 0) == b""
    assert s.counts.malformed == 6
    assert (s.expected, s.last_known) == (1, 0)
    s.take(packet(b"YESTERDAY", 1, [b"a"]), 0)
    assert s.counts.foreign == 1
    assert s.take(good, 0) == framed([b"abc", b"d"])


@given(st.binary(max_size=60))
def test_noise_never_raises(data: bytes) -> None:
    s = Sequencer(SESSION)
    s.take(data, 0)
    s.take(SESSION + data, 0)
    assert s.expected >= 1


def test_packets_as_the_specification_lays_them_out() -> None:
    data = packet(b"000000001A", 2**40 + 3, [b"hello", b"ITCH"])
    assert data[:10] == b"000000001A"
    assert data[10:18] == (2**40 + 3).to_bytes(8, "big")
    assert data[18:20] == b"\x00\x02"
    assert data[20:] == b"\x00\x05hello\x00\x04ITCH"
    assert blocks_of(data, 2) == [b"\x00\x05hello", b"\x00\x04ITCH"]
    assert request(b"S", 5, 10**6)[18:] == b"\xff\xfe"
    head: Any = read_header(end_of_session(b"S", 9))
    assert (head.session, head.sequence, head.messages) == (b"S         ", 9, END)
