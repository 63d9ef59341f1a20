"""Conformance kit for sources: inherit, give the fixture `source`, done.

::

    class TestMine(SourceContract):
        @pytest.fixture
        def source(self):
            return MySource(path)
"""

from datetime import timedelta

import polars as pl
import pytest

from tercel.core import TABLE_ROW as ROW
from tercel.signals import EVERY, KEYS, FrameSource, Panel, SignalSource, time_type


class SourceContract:
    """Contract of every :class:`tercel.signals.sources.port.SignalSource`."""

    @pytest.fixture
    def source(self) -> SignalSource:
        raise NotImplementedError

    @pytest.fixture
    def facts(self, source: SignalSource) -> pl.DataFrame:
        """The source's facts."""
        return source.facts()

    def test_is_a_source_with_a_name(self, source: SignalSource) -> None:
        assert isinstance(source, SignalSource)
        assert source.name.isidentifier()
        assert source.columns
        assert len(set(source.columns)) == len(source.columns)

    def test_facts_have_keys_and_columns_of_the_right_types(
        self, source: SignalSource, facts: pl.DataFrame
    ) -> None:
        assert facts.columns == [*KEYS, *source.columns]
        assert facts.height > 0
        assert facts["instrument"].dtype == pl.String
        assert facts["event_time"].dtype == facts["known_time"].dtype == time_type()
        assert all(facts[name].dtype == pl.Float64 for name in source.columns)
        assert facts.select(pl.col(KEYS).null_count()).row(0) == (0, 0, 0)
        assert ROW not in facts.columns

    def test_nothing_is_known_before_it_happened(self, facts: pl.DataFrame) -> None:
        assert facts.filter(pl.col("known_time") < pl.col("event_time")).is_empty()

    def test_facts_come_in_the_order_in_which_they_became_known(self, facts: pl.DataFrame) -> None:
        assert facts["known_time"].is_sorted()

    def test_reading_twice_gives_the_same(self, source: SignalSource, facts: pl.DataFrame) -> None:
        assert source.facts().equals(facts)

    def test_a_panel_never_shows_what_is_not_yet_known(
        self, source: SignalSource, facts: pl.DataFrame
    ) -> None:
        first = facts["known_time"][0]
        who = "any" if facts["instrument"][0] == EVERY else facts["instrument"][0]
        panel = Panel([source])
        before = panel.as_of([first - timedelta(microseconds=1)], [who])
        assert before.select(panel.columns).row(0) == (None,) * len(source.columns)

    def test_later_facts_do_not_change_what_was_known(
        self, source: SignalSource, facts: pl.DataFrame
    ) -> None:
        middle = facts["known_time"][facts.height // 2]
        early = FrameSource(
            source.name, source.columns, facts.filter(pl.col("known_time") <= middle)
        )
        if any(early.frame[name].drop_nulls().n_unique() < 2 for name in source.columns):
            pytest.skip("too few facts before the middle")
        known = sorted(early.frame["instrument"].unique().to_list())[:50]
        who = ["any"] if EVERY in known else known
        assert Panel([early]).as_of([middle], who).equals(Panel([source]).as_of([middle], who))
