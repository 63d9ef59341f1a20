"""Round trips as a small policy: numbers that say how each of two legs takes and rests, and how long it lasts.

The second leg begins in the same world when the first has ended, with the lots that the first one got, and crosses at
its horizon with what is left. All is cash: executable prices, fees, and whatever the market books for lots that it
could not fill.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel import View
from tercel.execution import (
    AT_TOUCH,
    CANCEL,
    KEEP,
    OUTSIDE,
    REST0,
    TAKE,
    Intents,
    finish_intents,
    ladder,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

STEP_S: Final = 10.0
"""Seconds between decisions."""
MOST_STEPS: Final = 180
"""Decisions of a leg, and of the wait, at most: half an hour each."""
LONGEST_S: Final = (3 * MOST_STEPS + 2) * STEP_S
MOST_PACE: Final = 8.0

GENES: Final = ("pace", "place", "show", "stay", "tilt", "length")
"""Of a leg."""
LEG: Final = len(GENES)
INSIST: Final = 2 * LEG
WAIT: Final = INSIST + 1
SIZE: Final = WAIT + 1
"""Numbers of a trip: two legs, whether the first one crosses at its end, the wait."""


@dataclass(frozen=True, eq=False)
class Legs:
    """How one leg of each of n trips is worked.

    Attributes
    ----------
    pace : float64 (n,)
        Slices that are taken at a decision; 0: nothing is.
    place : int64 (n,)
        Ticks behind the touch where lots rest, -1 one tick inside.
    show : float64 (n,)
        Share of what is left that rests.
    stay : bool (n,)
        Resting lots keep their price; otherwise they go with the touch.
    tilt : float64 (n,)
        How far the pace follows the imbalance of the best queues towards the order's side.
    steps : int64 (n,)
        Decisions.
    insist : bool (n,)
        What is left is taken at the end.
    """

    pace: Floats
    place: Ints
    show: Floats
    stay: NDArray[np.bool_]
    tilt: Floats
    steps: Ints
    insist: NDArray[np.bool_]

    def describe(self, i: int) -> dict[str, Any]:
        """The leg of trip `i` in plain words and numbers."""
        rests = bool(self.show[i] > 0.0)
        return {
            "seconds": float(self.steps[i] * STEP_S),
            "takes_slices": float(self.pace[i]),
            "tilt": float(self.tilt[i]),
            "rests": rests,
            "ticks_behind": int(self.place[i]) if rests else None,
            "shows": float(self.show[i]),
            "keeps_its_price": bool(self.stay[i]) if rests else None,
            "crosses_at_its_end": bool(self.insist[i]),
        }


def first_legs(trips: Floats) -> Legs:
    """First legs of trips, float64 (n, SIZE)."""
    return _legs(trips[:, :LEG], trips[:, INSIST] > 0.0)


def second_legs(trips: Floats) -> Legs:
    """Second legs; the horizon crosses for them."""
    return _legs(trips[:, LEG : 2 * LEG], np.ones(len(trips), bool))


def wait_steps(trips: Floats) -> Ints:
    """Decisions that pass between the legs: 30 a unit, none below 0."""
    return np.clip(np.rint(30.0 * trips[:, WAIT]), 0, MOST_STEPS).astype(np.int64)


def _legs(genes: Floats, insist: NDArray[np.bool_]) -> Legs:
    pace, place, show, stay, tilt, length = np.asarray(genes, np.float64).T
    shown = 1.0 / (1.0 + np.exp(-np.clip(show, -30.0, 30.0)))
    return Legs(
        pace=np.clip(pace, 0.0, MOST_PACE),
        place=np.clip(np.rint(place), -1, 3).astype(np.int64),
        show=np.where(shown > 0.95, 1.0, np.where(shown < 0.05, 0.0, shown)),
        stay=stay > 0.0,
        tilt=np.clip(tilt, -4.0, 4.0),
        steps=np.clip(np.rint(np.exp(np.clip(length, 0.0, 6.0))), 1, MOST_STEPS).astype(np.int64),
        insist=insist,
    )


def genes(
    pace: float = 0.0,
    place: float = 0.0,
    show: float = -6.0,
    stay: float = -1.0,
    tilt: float = 0.0,
    seconds: float = 600.0,
) -> list[float]:
    """A leg's genes from figures; by default nothing is taken and nothing rests.

    >>> legs = first_legs(np.array([genes(pace=1.0, seconds=60.0) + genes(place=1, show=6.0) + [1.0, 0.5]]))
    >>> legs.steps.tolist(), legs.pace.tolist(), legs.show.tolist(), legs.insist.tolist()
    ([6], [1.0], [0.0], [True])
    """
    return [pace, place, show, stay, tilt, float(np.log(seconds / STEP_S))]


def starts() -> Floats:
    """Trips that the search begins from: takes and rests, fast and slow, in both orders, float64 (n, SIZE)."""
    ways = {
        "takes": genes(pace=1.0, seconds=1800.0),
        "takes fast": genes(pace=1.0, seconds=120.0),
        "rests": genes(show=6.0, seconds=1800.0),
        "rests inside": genes(place=-1, show=6.0, seconds=1800.0),
        "iceberg": genes(place=-1, show=-2.2, seconds=1800.0),
        "stays": genes(show=6.0, stay=1.0, seconds=600.0),
    }
    pairs = [
        ("takes", "rests"), ("takes", "rests inside"), ("takes", "takes"), ("takes fast", "rests"),
        ("takes", "takes fast"), ("takes fast", "takes"), ("rests", "takes"), ("rests inside", "takes fast"),
        ("rests", "rests"), ("iceberg", "iceberg"), ("stays", "stays"), ("takes", "iceberg"),
    ]  # fmt: skip
    ends = ((1.0, -0.3), (-1.0, 0.3))
    return np.array([ways[one] + ways[other] + list(end) for one, other in pairs for end in ends])


# -- what a leg wants -------------------------------------------------------------------------------------------------


def wants(view: View, legs: Legs) -> Intents:
    """Intents of markets whose legs are under way."""
    own, far = view.own_depth[:, 0], view.far_depth[:, 0]
    imbalance = (own - far) / np.maximum(own + far, 1)
    pace = legs.pace * np.clip(1.0 + legs.tilt * imbalance, 0.0, 4.0)
    take = np.minimum(np.ceil(pace * view.qty0 / legs.steps), view.left).astype(np.int64)
    rest = np.floor(legs.show * (view.left - take)).astype(np.int64)
    intents = ladder(view)
    intents[:, TAKE] = take
    intents[np.arange(view.n), REST0 + AT_TOUCH + legs.place] = rest
    stands = legs.stay & (view.live > 0)
    intents[stands, OUTSIDE] = KEEP
    intents[stands, REST0:] = view.rest[stands]
    return finish_intents(intents, view)


def finish(view: View, insist: NDArray[np.bool_]) -> Intents:
    """Everything is taken back; who insists takes what is left."""
    intents = ladder(view)
    intents[:, OUTSIDE] = CANCEL
    intents[:, TAKE] = np.where(insist, view.left, 0)
    return finish_intents(intents, view)
