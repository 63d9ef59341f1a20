"""The capture: whole messages whatever cuts it, one writer, one session."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.core.errors import VenueError
from tercel.feeds.moldudp import MoldCapture
from tercel.feeds.moldudp.capture import whole_messages

NOTE = {"session": None, "date": "2019-01-30"}


def framed(messages: list[bytes]) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=30), st.integers(0, 20_000))
def test_a_cut_anywhere_leaves_the_whole_messages_before(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes], cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.itch"
    data = framed(messages)
    path.write_bytes(data[: cut % (len(data) + 1)])
    n, size = whole_messages(path)
    assert framed(messages[:n]) == data[:size]
    assert n == len(messages) or size + 2 + len(messages[n]) > cut % (len(data) + 1)


def test_a_capture_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.itch"
    capture = MoldCapture.start(path, dict(NOTE))
    capture.set_session(b"DAY0000001")
    capture.append(framed([b"one", b"two"]), 2)
    capture.close()
    with path.open("ab") as file:
        file.write(b"\x00\x05thr")  # what a kill in the middle of a write leaves
    again = MoldCapture.resume(path)
    assert (again.messages, again.session, again.note["date"]) == (2, b"DAY0000001", "2019-01-30")
    again.append(framed([b"three"]), 1)
    again.close()
    assert path.read_bytes() == framed([b"one", b"two", b"three"])


def test_an_old_capture_is_not_written_over_and_two_do_not_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.itch"
    with pytest.raises(VenueError, match="start a new one"):
        MoldCapture.resume(path)
    capture = MoldCapture.start(path, dict(NOTE))
    with pytest.raises(VenueError, match="`resume=True`"):
        MoldCapture.start(path, dict(NOTE))
    with pytest.raises(VenueError, match="another one"):
        MoldCapture.resume(path)
    capture.close()
    MoldCapture.note_of(path).write_text("{")
    with pytest.raises(VenueError, match="note"):
        MoldCapture.resume(path)
