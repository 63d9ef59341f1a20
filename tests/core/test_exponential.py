"""The exponential of kernels: that of the C library to the bit, within an ulp of the truth, right at the edges."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from tercel.core.exponential import exp
from tercel.core.jit import Floats, kernel


@kernel
def each(x: Floats, out: Floats) -> None:
    for i in range(len(x)):
        out[i] = exp(x[i])


def numbers() -> np.ndarray:
    rng = np.random.default_rng(1)
    sizes = np.exp2(rng.uniform(-60.0, 9.4, 200_000))
    return np.concatenate((sizes, -sizes, -rng.uniform(0.0, 5.0, 200_000)))


def test_is_within_an_ulp_of_the_truth() -> None:
    for x in numbers()[::2000].tolist():
        with localcontext() as context:
            context.prec = 60
            exact = Decimal(x).exp()
            assert abs(Decimal(exp(x)) - exact) <= Decimal("0.52") * Decimal(
                math.ulp(float(exact))
            ), x


def test_agrees_with_the_c_library() -> None:
    x = numbers()
    ours = np.empty(len(x))
    each(x, ours)
    theirs = np.array([math.exp(one) for one in x.tolist()])
    assert (np.abs(ours - theirs) <= np.spacing(theirs)).all()
    assert (
        ours != theirs
    ).mean() < 1e-3  # none where the library fuses multiplication and addition as well


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        (0.0, 1.0),
        (-0.0, 1.0),
        (1e-300, 1.0),
        (2.0**-54, 1.0),
        (-math.inf, 0.0),
        (-800.0, 0.0),
        (math.inf, math.inf),
    ],
)
def test_edges(x: float, wanted: float) -> None:
    assert exp(x) == wanted


def test_what_is_no_number_stays_none() -> None:
    assert math.isnan(exp(math.nan))
