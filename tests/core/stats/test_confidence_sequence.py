"""A confidence sequence against the formulas as they are written, and against its promise: at any look, at most 5 % are wrong."""

from math import exp, log, sqrt

import numpy as np
import pytest

from tercel.core.errors import ConfigError
from tercel.core.stats.confidence_sequence import (
    ConfidenceSequence,
    SequentialRidge,
    mixture_variance,
)


def test_the_interval_is_that_of_the_formulas() -> None:
    rng = np.random.default_rng(1)
    values, days = rng.normal(0.4, 2.0, 300), np.arange(300) // 30
    values += rng.normal(0, 1.5, 10)[days]
    sequence = ConfidenceSequence(200)
    p = 1.0
    for n, (value, day) in enumerate(zip(values, days, strict=True), 1):
        sequence.add(value, day)
        point = sequence.look()
        seen, count = values[:n], days[n - 1] + 1
        if n < 40:
            assert point.half == np.inf
            continue
        sums = [(seen[days[:n] == d] - seen.mean()).sum() ** 2 for d in range(count)]
        variance = max(seen.var(ddof=1), sum(sums) / n * count / max(count - 1, 1) * (count > 1))
        rho2 = mixture_variance(200)
        grown = n * rho2 + 1
        half = sqrt(variance * 2 * grown / (n * n * rho2) * log(sqrt(grown) / 0.05))
        p = min(p, sqrt(grown) * exp(-rho2 * seen.sum() ** 2 / variance / (2 * grown)))
        assert point.half == pytest.approx(half, rel=1e-9)
        assert point.p == pytest.approx(p, rel=1e-9)
        assert (point.p <= 0.05) >= (abs(point.mean) > point.half)


@pytest.mark.parametrize("shape", ["normal", "student", "lognormal"])
def test_whoever_looks_always_is_wrong_in_five_of_a_hundred_at_most(shape: str) -> None:
    rng = np.random.default_rng(7)
    draws = {
        "normal": rng.normal(size=(300, 600)),
        "student": rng.standard_t(3, size=(300, 600)),
        "lognormal": rng.lognormal(0, 1, (300, 600)) * rng.choice([-1, 1], (300, 600)),
    }[shape]
    wrong = 0
    for path in draws:
        sequence = ConfidenceSequence(300)
        for n, value in enumerate(path.tolist()):
            sequence.add(value, n // 30)
            if sequence.look().p <= 0.05:
                wrong += 1
                break
    assert wrong / 300 <= 0.05 + 2 * sqrt(0.05 * 0.95 / 300)


def test_a_regression_predicts_as_least_squares_with_a_penalty() -> None:
    rng = np.random.default_rng(2)
    x, ridge = rng.normal(size=(200, 4)), SequentialRidge(4)
    y = 3 + x @ [1.0, -2.0, 0.0, 0.5] + rng.normal(size=200)
    for row, value in zip(x, y, strict=True):
        ridge.add(row, value)
    design = np.column_stack((np.ones(200), x))
    expected = np.linalg.solve(design.T @ design + np.diag([1e-9, 1, 1, 1, 1]), design.T @ y)
    assert ridge.predict(x[0]) == pytest.approx(design[0] @ expected)
    assert SequentialRidge(2).predict(np.ones(2)) == 0.0


def test_without_a_plan_there_is_no_sequence() -> None:
    with pytest.raises(ConfigError, match="planned values"):
        ConfidenceSequence(0)
