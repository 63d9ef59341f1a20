"""Conformance kit for feeds: inherit, give the fixtures `feed`, `paths` and `options`, done.

::

    class TestMine(FeedContract):
        @pytest.fixture
        def feed(self):
            return MyFeed()

        @pytest.fixture
        def paths(self, tmp_path):
            return [write_a_day(tmp_path)]
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tercel import TercelError
from tercel.core import FeedError
from tercel.feeds import Feed, FeedOptions, Imported
from tercel.market.tape import Lake, schema, validate


def read_all(feed: Feed, paths: list[Path], options: FeedOptions) -> list[Imported]:
    """Every day in `paths`, translated."""
    with feed.days(paths, options) as days:
        return [day.read() for day in days]


class FeedContract:
    """Contract of every :class:`Feed`."""

    @pytest.fixture
    def options(self) -> FeedOptions:
        """Options for what the files do not say."""
        return FeedOptions()

    def test_is_a_feed_with_a_name(self, feed: Feed) -> None:
        assert isinstance(feed, Feed)
        assert feed.name.isidentifier()

    def test_days_are_sorted_and_unique(
        self, feed: Feed, paths: list[Path], options: FeedOptions
    ) -> None:
        with feed.days(paths, options) as days:
            keys = [(day.symbol, day.date) for day in days]
            assert all(day.source for day in days)
        assert keys
        assert keys == sorted(set(keys))

    def test_tapes_are_valid(self, feed: Feed, paths: list[Path], options: FeedOptions) -> None:
        for day in read_all(feed, paths, options):
            validate(day.events, day.instrument)
            assert day.instrument.rows == day.events.n
            off_tick = np.count_nonzero(day.events.flags & schema.OFF_TICK)
            assert day.instrument.off_tick_rows == off_tick

    def test_reading_twice_gives_the_same(
        self, feed: Feed, paths: list[Path], options: FeedOptions
    ) -> None:
        for a, b in zip(
            read_all(feed, paths, options), read_all(feed, paths, options), strict=True
        ):
            assert a.instrument == b.instrument
            assert a.events == b.events

    def test_what_the_lake_gives_back_is_what_went_in(
        self, feed: Feed, paths: list[Path], options: FeedOptions, tmp_path: Path
    ) -> None:
        lake = Lake(tmp_path / "lake")
        for day in read_all(feed, paths, options):
            assert lake.write(day.instrument, day.events) == "written"
            assert lake.write(day.instrument, day.events) == "unchanged"
            instrument, events = lake.check(day.instrument.symbol, day.instrument.date)
            assert events == day.events
            assert instrument == day.instrument.with_content(day.events)

    def test_a_missing_path_is_refused(
        self, feed: Feed, options: FeedOptions, tmp_path: Path
    ) -> None:
        with (
            pytest.raises(FeedError, match=r"nowhere\.csv"),
            feed.days([tmp_path / "nowhere.csv"], options),
        ):
            pass

    def test_a_day_is_told_once(self, feed: Feed, paths: list[Path], options: FeedOptions) -> None:
        with suppress(FeedError), feed.days([*paths, *paths], options) as days:
            keys = [(day.symbol, day.date) for day in days]
            assert keys == sorted(set(keys))

    @pytest.mark.parametrize("damage", ["empty", "garbled", "stray"])
    def test_a_file_that_is_none_is_refused_by_its_name(
        self, feed: Feed, paths: list[Path], options: FeedOptions, tmp_path: Path, damage: str
    ) -> None:
        """Empty, with letters for digits in its second half (or cut, where it is no text), or of something else."""
        content = paths[0].read_bytes()
        bad = tmp_path / damage / ("notes.txt" if damage == "stray" else paths[0].name)
        half = len(content) // 2
        text = content[:half] + content[half:].translate(bytes.maketrans(b"0123456789", b"x" * 10))
        garbled = text if content.isascii() else content[:-1]
        bad.parent.mkdir()
        bad.write_bytes(
            {"empty": b"", "garbled": garbled, "stray": b"These are notes.\nNo feed's.\n"}[damage]
        )
        with pytest.raises(FeedError, match="empty" if damage == "empty" else bad.name):
            read_all(feed, [bad] if damage != "garbled" else [bad, *paths[1:]], options)

    @pytest.mark.parametrize(
        ("option_name", "value"), [("symbol", "OTHER"), ("date", "2001-02-05"), ("tick", 0.005)]
    )
    def test_an_option_is_obeyed_or_refused(
        self,
        feed: Feed,
        paths: list[Path],
        options: FeedOptions,
        option_name: str,
        value: str | float,
    ) -> None:
        with suppress(TercelError):
            days = read_all(feed, paths, replace(options, **{option_name: value}))  # type: ignore[arg-type]
            assert [getattr(day.instrument, option_name) for day in days] == [value] * len(days)
