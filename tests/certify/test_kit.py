"""The kit for checks of one's own: it lets a good one pass and finds bad ones."""

import pytest

from certify.limits.kit import LimitConformance
from tercel.desk.limits import Check, Denial, LimitQuery


def no_thirteen(asked: LimitQuery) -> Denial | None:
    """Thirteen lots bring bad luck."""
    return Denial("THIRTEEN", f"lots={asked.lots}") if asked.lots == 13 else None


class TestNoThirteen(LimitConformance):
    def check(self) -> Check:
        return no_thirteen


def _meddles(asked: LimitQuery) -> Denial | None:
    asked.lots += 1
    return None


def _fails(asked: LimitQuery) -> Denial | None:
    raise ValueError(asked.lots)


def _says_true(asked: LimitQuery) -> Denial | None:
    return True  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("check", "test"),
    [
        (_meddles, "test_changes_nothing_by_asking"),
        (_fails, "test_never_fails"),
        (_says_true, "test_gives_a_denial_or_nothing"),
    ],
)
def test_finds_what_is_wrong(check: Check, test: str) -> None:
    kit = LimitConformance()
    kit.check = lambda: check  # type: ignore[method-assign]
    with pytest.raises((AssertionError, AttributeError)):
        getattr(kit, test)()
