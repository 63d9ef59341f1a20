"""Execution as a Gymnasium environment, one market or many at full speed.

`api.environment` makes `tercel/Execution-v1` of these classes, in any market of the library.
"""

from typing import Any, Final, Unpack

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from tercel.core.arrays import AnyArray, Bytes, Float32
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.report import svg
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Sampler
from tercel.lab.evaluation.example import levels_of
from tercel.lab.learning.envs import COSTS, ExecutionVec, Options
from tercel.lab.learning.port import Info
from tercel.market.book import layout as lay
from tercel.market.simulator.source import Source

# -- frame ----------------------------------------------------------------------------------------
# A frame of `tercel/Execution-v1`: the book, own orders in their queues, time and lots left; NumPy draws it.

# What Gymnasium asks of what can be drawn; 10 decisions are a second of film.
METADATA: Final[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
ROWS: Final = 25
_HIGH, _EDGE, _WIDE = 10, 12, 456
_PAPER, _RULE, _SOFT, _INK, _BUY, _SELL = (
    np.frombuffer(bytes.fromhex(one.light[1:]), np.uint8)
    for one in (svg.PAPER, svg.RULE, svg.SOFT, svg.INK, svg.BUY, svg.SELL)
)


def frame_of(episodes: Episodes, i: int) -> Bytes:
    """One of the markets as a picture.

    Rows are prices around the mid, one tick each, or more where the spread is wide; the price rises upwards. A bar is
    as long as the lots at its price: orange asks, blue bids. Dark in it are own lots, as far from the left as lots are
    ahead of them in the queue. Line: the mid; dotted: the mid at arrival. Below: time left, and lots left.

    Returns
    -------
    uint8 (320, 480, 3)
    """
    book, view = episodes.books[i], episodes.view
    ledger = book[book[lay.AT_LEDGER] :][: book[lay.OWN] * lay.LEDGER].reshape(-1, lay.LEDGER)
    own = ledger[
        np.ix_(
            ledger[:, lay.STATE] == lay.RESTING, [lay.OWN_SIDE, lay.OWN_PRICE, lay.OPEN, lay.AHEAD]
        )
    ]
    orders = np.array(
        [*own, *((*level, lots, -1) for level, lots in levels_of(book).items())], np.int64
    ).reshape(-1, 4)
    step, centre = 1 + int(view.spread[i]) // (ROWS // 3), int(view.mid2[i]) // 2
    rows = ROWS // 2 - (orders[:, 1] - centre) // step
    orders, rows = (one[(rows >= 0) & (rows < ROWS)] for one in (orders, rows))
    depth = np.zeros((2, ROWS))
    np.add.at(depth, ((orders[:, 0] < 0).astype(int), rows), orders[:, 2])
    lots = (np.arange(_WIDE) + 0.5) / _WIDE * max(float(depth.max()), 1.0)
    bars = np.full((ROWS + 4, _WIDE, 3), _PAPER)
    for long, colour in zip(depth, (_BUY, _SELL), strict=True):
        bars[:ROWS][lots < long[:, None]] = 0.55 * _PAPER + 0.45 * colour
    for (side, _, size, ahead), row in zip(orders, rows, strict=True):
        before = lots - min(ahead, depth[int(side < 0), row] - size)
        bars[row, (before >= 0) & (before < size) & (ahead >= 0)] = _INK
    for row, left, whole, colour in (
        (-3, view.time_left_ns[i], view.horizon_ns[i], _SOFT),
        (-1, view.left[i], view.qty0[i], _INK),
    ):
        bars[row] = np.where(
            (np.arange(_WIDE) < round(_WIDE * left / whole))[:, None], colour, _RULE
        )
    picture = np.pad(
        np.repeat(bars, _HIGH, axis=0),
        ((_EDGE, _EDGE + 6), (_EDGE, _EDGE), (0, 0)),
        constant_values=255,
    )
    picture[_EDGE - 1 : -6 : _HIGH] = picture[_EDGE:-6:_HIGH] = _PAPER
    for mid2, dots in ((view.arrival_mid2[i], 8), (view.mid2[i], 1)):
        at = ROWS / 2 - (mid2 / 2 - centre - (step - 1) / 2) / step
        picture[_EDGE + int(np.clip(at, 0, ROWS) * _HIGH), _EDGE:-_EDGE:dots] = _SOFT
    return picture


# -- gym env --------------------------------------------------------------------------------------

# Seeds that are drawn when none is given.
SEEDS = 2**31


class ExecutionEnv(gymnasium.Env[Float32, Any]):
    """Buy or sell a given quantity within a given time, at the least cost against the mid at arrival.

    | | |
    |---|---|
    | Action space | ``Discrete(8)`` (`placement`, the default) |
    | Observation space | ``Box(-inf, inf, (50,), float32)`` |
    | Import | ``gymnasium.make("tercel/Execution-v1")`` after ``import tercel.api.envs`` |

    **Description.** A market of limit orders runs by itself: order flow calibrated from a tape (by default `goog`:
    queue-reactive, under a law of impact), or recorded days. An order of 10 % of the volume expected in half an hour is
    to be executed in that half hour, with a decision every 30 seconds (see `Task` for all of it). Whatever is left at
    the horizon is bought or sold at market.

    **Action space** (`placement`; others by argument `actions`)

    | Num | Action |
    |---|---|
    | 0 | hold: own orders stay as they are |
    | 1 | rest all that is left one tick inside the own touch (improve) |
    | 2 | rest all that is left at the own touch |
    | 3 | rest all that is left 1 tick behind it |
    | 4 | rest all that is left 3 ticks behind it |
    | 5, 6, 7 | take 25, 50, 100 % of the slice, rest the other remaining lots at the touch |

    The slice is the remaining lots over the remaining decisions, rounded up. In a halt every action holds. `fraction`
    is Discrete(7): take 0, 5, 10, 20, 30, 50, 100 % of the remaining lots; `level` is Discrete(6): rest all that is
    left at improve, touch, touch-1, touch-2, touch-3, nowhere.

    **Observation space.** 50 numbers, own orders excluded from those of the market, oriented by the order's side so
    that buying and selling look alike. d is the mean of the ten displayed levels, s the standard deviation of a decision
    interval so far, slog x is sign(x) log(1 + abs x):

    | Num | Observation | Num | Observation |
    |---|---|---|---|
    | 0 | time left / horizon | 25-27 | far depth, levels 1, 2, 3-5, log(1 + lots / d) |
    | 1 | lots left / order | 28-30 | imbalance of 1, 3, 5 levels |
    | 2 | lots left share - time left share | 31 | microprice - mid, ticks |
    | 3 | horizon, log(seconds / 1800) | 32 | order flow imbalance, last interval / d, slog |
    | 4 | time left, log(1 + seconds / 60) | 33-34 | volume with, against / d, log(1 + x) |
    | 5 | order / d, log | 35 | their imbalance |
    | 6 | lots left / far touch, log(1 + x) | 36 | events of the last interval, log(1 + n) |
    | 7 | lots left a decision / d, log(1 + x) | 37 | volatility of it / s, log(1 + x) |
    | 8 | lots left a decision / volume, log(1 + x) | 38 | s, log(1 + half-ticks) |
    | 9 | urgency | 39 | mid in the last interval / s, slog |
    | 10-14 | own lots at improve, touch, -1, -2, -3 / left | 40 | mid since arrival / s, slog |
    | 15 | own lots elsewhere / left | 41 | d, log(1 + lots) |
    | 16 | own lots in flight / left | 42 | spread in bps, log(1 + x) |
    | 17-19 | queue ahead / d, log(1 + x), -1: no order | 43-45 | own fills, share, flow to come |
    | 20 | forecast of the mid, in spreads, slog | 46 | pace since arrival |
    | 21 | spread, log(1 + ticks) | 47-48 | lean of the flow, whole and since arrival |
    | 22-24 | own depth, levels 1, 2, 3-5, log(1 + lots / d) | 49 | order flow imbalance since the warm-up / d |

    **Rewards.** Minus the weighted sum of three costs in ticks per lot of the order: `execution` against the mid at
    decision (weight 1), the mid's move on the remaining lots (`impact`, weight 1), and `left`, the share sent at the
    horizon (weight 0). With these weights the undiscounted return is exactly minus the implementation shortfall. Each
    cost is in `info` unweighted. `weights` may be a function of a `lab.learning.rewards.Step` instead.

    **Starting state.** One of 64 warmed books, run on for the task's warm-up (observed by "v2": one decision interval)
    with its own random stream, with nothing done yet. Sides alternate.

    **Episode end.** `terminated` when all lots are filled: at the horizon at the latest, which is part of the
    observation. Never truncated. `info["is_bps"]` then is the arrival shortfall in basis points.

    **Arguments.**

    - `source`, `sampler`: a market, and what draws its episodes.
    - `task`: a `Task`.
    - `actions`: "placement", "fraction" or "level"; the continuous "allocation" (shares, Box(0, inf, (7,))) and
      "residual" (Box(-inf, inf, (7,)), see `execution.action_sets`), with `action_parameters`.
    - `observation`: "v3", "v2" (the first 43 entries; `execution.observation`), or a function of a `View`.
    - `weights`: a `RewardWeights`, or a function of a `Step`.

    - `render_mode`: None, or "rgb_array": :meth:`render` then draws the book (`lab.learning.gym_env`).

    ``reset(seed=s)`` starts the first episode of seed s, each ``reset()`` after it the next; the same seed and actions
    give the same bytes. A ``step`` before the first ``reset`` raises ``gymnasium.error.ResetNeeded``.
    """

    metadata = METADATA

    def __init__(
        self,
        *,
        source: Source,
        task: Task,
        sampler: Sampler,
        render_mode: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.render_mode = render_mode
        self.vec = ExecutionVec(source, task, sampler, 1, **options)
        self.observation_space, self.action_space = spaces_of(self.vec)
        self._which = np.zeros(1, np.int64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start the next episode, or the first of `seed`."""
        super().reset(seed=seed)
        if seed is None and self.vec.started:
            obs = self.vec.restart(self._which)
        else:
            obs = self.vec.reset(
                int(self.np_random.integers(SEEDS)) if seed is None else within(seed)
            )
        return obs[0].copy(), {}

    def step(self, action: Any) -> tuple[Float32, float, bool, bool, Info]:
        """One decision; `info` has the three costs, and `is_bps` at the end."""
        obs, reward, done, info = self.vec.advance(
            checked(self.vec, self.action_space, np.asarray([action]))
        )
        names = (*COSTS, "is_bps") if done[0] else COSTS
        return (
            obs[0].copy(),
            float(reward[0]),
            bool(done[0]),
            False,
            {name: float(info[name][0]) for name in names},
        )

    def render(self) -> Any:
        """The market as it is, uint8 (320, 480, 3); None without a `render_mode`."""
        return frame_of(self.vec.episodes, 0) if self.render_mode else None


class ExecutionVectorEnv(gymnasium.vector.VectorEnv[Float32, AnyArray, AnyArray]):
    """`num_envs` markets of `tercel/Execution-v1` in one compiled loop; see :class:`ExecutionEnv` for the card.

    Autoreset is SAME_STEP: the observation that comes with `terminated` is the first of the next episode, and
    ``info["final_obs"]`` holds the last of the one that ended (rows where ``info["_final_obs"]``), ``info["is_bps"]``
    its shortfall. Arrays are copies unless `copy` is False.

    ``reset(seed=s)`` shares the episodes of seed s out among the markets; ``reset(seed=[s0, s1, ...])`` gives each
    market the episodes that `ExecutionEnv` has by that seed.
    """

    metadata: dict[str, Any] = {**METADATA, "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 64,
        *,
        source: Source,
        task: Task,
        sampler: Sampler,
        copy: bool = True,
        render_mode: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.vec = ExecutionVec(source, task, sampler, num_envs, **options)
        self.single_observation_space, self.single_action_space = spaces_of(self.vec)
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._truncated = np.zeros(num_envs, np.bool_)
        self._copy = copy

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start episodes in all markets: those of `seed`, of a drawn one, or of a seed for each market.

        Raises
        ------
        ConfigError
            If `seed` is a list of another length.
        """
        each = seed if isinstance(seed, list) else [seed] * self.num_envs
        refuse_if(
            len(each) != self.num_envs,
            f"one seed, or {self.num_envs}",
            f"{len(each)} of them",
            "give one for each market",
        )
        super().reset(seed=None if isinstance(seed, list) else seed)
        seeds = [
            int(self.np_random.integers(SEEDS)) if one is None else within(one) for one in each
        ]
        self.vec.seeds = [[one, 0] for one in seeds] if isinstance(seed, list) else ()
        return self._own(self.vec.reset(seeds[0])), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """One decision in every market."""
        obs, reward, done, info = self.vec.step(
            checked(self.vec, self.single_action_space, actions)
        )
        out: Info = {name: self._own(info[name]) for name in (*COSTS, "is_bps")}
        if "which" in info:
            out |= {
                "final_obs": self._own(info["final_obs"]),
                "_final_obs": done.copy(),
                "_is_bps": done.copy(),
            }
        return self._own(obs), self._own(reward), self._own(done), self._truncated.copy(), out

    def render(self) -> Any:
        """A picture of every market; None without a `render_mode`."""
        return (
            tuple(frame_of(self.vec.episodes, i) for i in range(self.num_envs))
            if self.render_mode
            else None
        )

    def _own(self, array: AnyArray) -> AnyArray:
        return array.copy() if self._copy else array


def spaces_of(vec: ExecutionVec) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Observation and action space of one market."""
    box = gymnasium.spaces.Box(-np.inf, np.inf, (vec.observation_size,), np.float32)
    if vec.actions.continuous:
        low = 0.0 if vec.actions.name == "allocation" else -np.inf
        return box, gymnasium.spaces.Box(low, np.inf, (vec.action_size,), np.float32)
    return box, gymnasium.spaces.Discrete(vec.n_actions)


def checked(vec: ExecutionVec, space: gymnasium.Space[Any], actions: AnyArray) -> AnyArray:
    """`actions`, all of them in `space`; vectors are checked where they are decoded.

    Raises
    ------
    ConfigError
        If one is not.
    gymnasium.error.ResetNeeded
        Before the first reset.
    """
    if not vec.started:
        raise gymnasium.error.ResetNeeded(
            "no episode has begun: call reset() before the first step()"
        )
    actions = np.asarray(actions)
    if actions.shape != (vec.n, *(space.shape or ())):
        raise ConfigError(
            f"actions of {vec.n} markets", f"shape {actions.shape}", "give each market one"
        )
    if not isinstance(space, gymnasium.spaces.Discrete):
        return actions.astype(np.float32)
    wrong = actions[~np.isin(actions, np.arange(space.n))]
    if wrong.size:
        raise ConfigError(
            f"whole actions from 0 to {space.n - 1}", f"{wrong[0]}", "draw from the action space"
        )
    return actions.astype(np.int64)


def within(seed: int) -> int:
    """A seed of any size as one of 63 bits, itself where it is one.

    Raises
    ------
    gymnasium.error.Error
        If it is no whole number from 0 on.
    """
    return (
        seed
        if 0 <= seed < 2**63
        else int(gymnasium.utils.seeding.np_random(seed)[0].integers(2**63))
    )
