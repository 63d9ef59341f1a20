"""Quantiles against the two closed forms, and the normal."""

import math

import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import ConfigError
from tercel.core.stats import normal_quantile, t_quantile


@given(st.floats(0.01, 0.99))
def test_one_and_two_degrees_of_freedom_have_closed_forms(probability):
    assert t_quantile(probability, 1) == pytest.approx(
        math.tan(math.pi * (probability - 0.5)), abs=1e-9
    )
    closed = (2 * probability - 1) / math.sqrt(2 * probability * (1 - probability))
    assert t_quantile(probability, 2) == pytest.approx(closed, abs=1e-9)


def test_many_degrees_of_freedom_are_normal():
    assert t_quantile(0.975, 1e7) == normal_quantile(0.975)
    assert t_quantile(0.975, 1e5) == pytest.approx(normal_quantile(0.975), rel=1e-4)


@pytest.mark.parametrize(
    ("probability", "freedom"), [(0.0, 3), (1.0, 3), (0.5, 0.5), (0.5, math.nan)]
)
def test_nonsense_is_refused(probability, freedom):
    with pytest.raises(ConfigError, match="degree of freedom"):
        t_quantile(probability, freedom)
