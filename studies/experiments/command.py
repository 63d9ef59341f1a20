"""``python -m studies experiments``: how often experiments of desks call arms different, wrongly and rightly, and how soon."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import structs

from studies.experiments.desks import Design, first_call, run_desk, scores_of
from studies.experiments.pools import DEFAULT, GUARDED, TAKES, Pool, market_pool, synthetic_pool
from studies.markdown import markdown_table
from tercel.cli import print_table
from tercel.core import Floats, say_progress
from tercel.core.stats import required_sample
from tercel.desk.trading.experiment import DAY, ORDER, SYMBOL, ExperimentRecord
from tercel.desk.trading.experiment_analysis import analyse_experiment, orders_needed

RESULTS: Final = Path(__file__).with_name("results.md")
MARKETS: Final = ("csco-santa-fe", "ibm")
BOTH: Final = "both"
RISING: Final = ("ibm", "t3")
"""Pools whose costs also rise day by day, in desks that draw one arm seldom."""
LAWS: Final = ("t3", "lognormal")
HORIZONS_S: Final = (600, 1800)
A_DAY: Final = {600: 48, 1800: 24}
"""Orders of a desk by their horizon."""
ORDERS: Final = 4000
PLANNED: Final = (500, 1000, 5000)
SAVED_BPS: Final = 2.0
FOLDS: Final = 10
BARS: Final = {"wrongly": 0.05, "slower": 1.8, "removed": 0.3}
Pools = Mapping[tuple[str, int], Pool]
Table = tuple[str, Sequence[str], list[list[str]]]
"""Title, headings, rows."""


def run(desks: int, seed: int, quick: bool) -> None:
    """Print the tables and write `RESULTS`; `quick`: a tenth of orders and desks, nothing written."""
    orders, desks = (ORDERS // 10, max(desks // 10, 2)) if quick else (ORDERS, desks)
    pools = make_pools(orders, seed)
    tables: list[Table] = []
    for table in tables_of(pools, desks, seed):
        tables.append(table)
        print_table(*table)
        if not quick:
            _write(tables, f"--desks {desks} --seed {seed}")


def make_pools(orders: int, seed: int) -> Pools:
    """Pools by market or law, and by horizon."""
    pools: dict[tuple[str, int], Pool] = {}
    for market in MARKETS:
        for horizon_s in HORIZONS_S:
            say_progress(f"{orders:,} orders of {horizon_s} s in {market}")
            pools[market, horizon_s] = market_pool(market, horizon_s, orders, seed)
    return pools | {(law, 1800): synthetic_pool(law, orders, seed) for law in LAWS}


def tables_of(pools: Pools, desks: int, seed: int) -> Iterator[Table]:
    """The tables of the study, one after another."""
    yield equal_arms(pools, desks, seed)
    few = max(desks * 2 // 5, 2)
    yield planted(pools, few, seed)
    yield removed(pools, max(desks // 10, 2), seed)
    yield default_or_guarded(pools, few, seed)


def equal_arms(pools: Pools, desks: int, seed: int) -> Table:
    """Desks that call two arms of one strategy different at any look."""
    rows = []
    bound = BARS["wrongly"] + 2 * (BARS["wrongly"] * (1 - BARS["wrongly"]) / desks) ** 0.5
    for name in (*MARKETS, BOTH, *LAWS):
        chosen = _chosen(pools, name, 1800)
        sd = float(np.mean([pool.costs[_cost(pool, GUARDED)].std() for pool in chosen]))
        units = (ORDER, SYMBOL, DAY) if name == BOTH else (ORDER, DAY)
        cells = [(ORDER, 0.0, 0.5, 0.0), *((unit, sd, 0.5, 0.0) for unit in units)]
        cells += [(unit, sd, 0.2, 1.0) for unit in (ORDER, DAY)] if name in RISING else []
        for unit, day_sd, share, trend in cells:
            say_progress(
                f"equal arms, {name}, unit {unit}, share {share:g}, day effect {day_sd:.0f} bps"
            )
            called = np.zeros(len(PLANNED))
            for desk in range(desks):
                design = Design(unit, day_sd=day_sd, share=share, trend=trend)
                record = _desk(chosen, GUARDED, GUARDED, 1, 0.0, design, (seed, desk))
                called += [_is_called(record, planned) for planned in PLANNED]
            shown = [f"{100 * found:.1f} %" for found in called / desks]
            holds = "yes" if (called / desks <= bound).all() else "no"
            rows.append(
                [
                    name,
                    unit,
                    f"{share:g}",
                    f"{trend:g}",
                    f"{day_sd:.1f}",
                    *shown,
                    f"{100 * bound:.1f} %",
                    holds,
                ]
            )
    return (
        f"Equal arms: share of {desks} desks of 20 days and 480 orders that call them different at any look",
        ("orders of 30 min", "unit", "share", "trend, bps a day", "day effect, bps",
         *(f"planned {n:,}" for n in PLANNED), "at most", "holds"),
        rows,
    )  # fmt: skip


def planted(pools: Pools, desks: int, seed: int) -> Table:
    """Orders to a decision on a planted saving, over those of a test of fixed size."""
    rows = []
    for name in (*MARKETS, BOTH):
        say_progress(f"a planted saving, {name}")
        chosen = _chosen(pools, name, 600)
        sd = float(np.concatenate([pool.costs[_cost(pool, GUARDED)] for pool in chosen]).std())
        planned = orders_needed(sd, SAVED_BPS)
        days = -(-3 * required_sample(2.0 * sd, SAVED_BPS) // A_DAY[600])
        design = Design(planned=planned, days=days, orders=A_DAY[600])
        calls, sds = [], []
        for desk in range(desks):
            record = _desk(chosen, GUARDED, GUARDED, 1, SAVED_BPS, design, (seed, desk))
            calls.append(first_call(record) or (np.inf, 0.0))
            sds.append(np.std([score for _, score in scores_of(record)]))
        fixed = required_sample(float(np.mean(sds)), SAVED_BPS)
        number, saved = np.array(calls).T
        median = float(np.median(number))
        rows.append([
            name, f"{sd:.1f}", f"{np.mean(sds):.1f}", f"{planned:,}", f"{fixed:,}", f"{median:,.0f}", f"{median / fixed:.2f}",
            "yes" if median <= BARS["slower"] * fixed else "no", f"{(number <= 20 * A_DAY[600]).mean():.1%}",
            f"{np.isfinite(number).mean():.1%}", f"{(saved < 0).mean():.1%}",
        ])  # fmt: skip
    return (
        f"A planted saving of {SAVED_BPS:g} bps, {desks} desks",
        ("orders of 10 min", "sd of costs, bps", "of scores", "planned", "fixed size, 80 %", "median to a decision", "ratio",
         f"{BARS['slower']} or less", "decide in 20 days", "in three times the fixed size", "wrong sign"),
        rows,
    )  # fmt: skip


def removed(pools: Pools, desks: int, seed: int) -> Table:
    """Share of the variance of scores that adjustment removes after 20 days, and the most that can be known at arrival."""
    rows = []
    for horizon_s, name in product(HORIZONS_S, (*MARKETS, BOTH)):
        say_progress(f"variance removed, {name}, {horizon_s} s")
        chosen = _chosen(pools, name, horizon_s)
        design = Design(orders=A_DAY[horizon_s])
        found = []
        for desk in range(desks):
            record = _desk(chosen, GUARDED, GUARDED, 1, 0.0, design, (seed, desk))
            found.append(analyse_experiment(record).savings[0].removed or 0.0)
        costs = np.concatenate([pool.costs[_cost(pool, GUARDED)] for pool in chosen])
        symbol = np.repeat(np.eye(len(chosen)), [len(pool.seen) for pool in chosen], axis=0)
        known = np.hstack((np.concatenate([_known(pool) for pool in chosen]), symbol))
        seen = np.concatenate([pool.seen for pool in chosen])
        moved = np.concatenate([pool.moved for pool in chosen])[:, None]
        most = [held_out_r2(np.hstack((known, one)), costs) for one in (known, seen, moved)]
        rows.append([
            f"{name}, {horizon_s // 60} min", f"{design.days * design.orders:,}", f"{np.mean(found):.1%}",
            f"{np.std(found) / desks**0.5:.1%}", *(f"{share:.1%}" for share in most),
            "yes" if np.mean(found) >= BARS["removed"] else "no",
        ])  # fmt: skip
    return (
        f"Share of the variance that adjustment and strata remove, mean of {desks} desks",
        ("orders", "number", "removed", "s.e.", "R2: covariates, whole pool", "and all that is seen at arrival",
         "the price's own move instead", f"{BARS['removed']:.0%} or more"),
        rows,
    )  # fmt: skip


def default_or_guarded(pools: Pools, desks: int, seed: int) -> Table:
    """What experiments say of a strategy against `guarded`, at both ends of the impact of resting fills."""
    rows = []
    cells = [(name, horizon_s, DEFAULT) for name in MARKETS for horizon_s in HORIZONS_S]
    for (name, horizon_s, arm), ratio in product([*cells, ("ibm", 600, TAKES)], (1, 0)):
        say_progress(f"{arm} or guarded, {name}, {horizon_s} s, ratio {ratio}")
        pool = pools[name, horizon_s]
        saved = pool.costs[f"{GUARDED}@{ratio}"] - pool.costs[f"{arm}@{ratio}"]
        truth, error = float(saved.mean()), saved.std() / len(saved) ** 0.5
        calls = np.zeros(desks)
        for desk in range(desks):
            design = Design(orders=A_DAY[horizon_s])
            record = _desk([pool], GUARDED, arm, ratio, 0.0, design, (seed, desk))
            saving = analyse_experiment(record).savings[0]
            calls[desk] = saving.is_decided * np.sign(saving.saved_bps)
        shares = [np.mean(calls * np.sign(truth) == sign) for sign in (1, -1)]
        sd = float(pool.costs[f"{arm}@{ratio}"].std())
        rows.append([
            f"{name}, {horizon_s // 60} min", arm, f"{ratio}", f"{truth:+.2f} ({error:.2f})",
            *(f"{share:.1%}" for share in (*shares, np.mean(calls == 0))),
            f"{orders_needed(sd, abs(truth)):,}" if truth else "-",
        ])  # fmt: skip
    return (
        f"A strategy against {GUARDED}: what {desks} desks of 20 days find",
        ("orders", "strategy", "passive impact", "saves in the pool, bps (s.e.)", "find its sign", "the wrong one",
         "do not decide", "orders needed"),
        rows,
    )  # fmt: skip


def held_out_r2(features: Floats, values: Floats) -> float:
    """R2 of a linear regression on features, over values that it was not fitted to; at least 0."""
    spread = features.std(axis=0)
    x = (features - features.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    x = np.column_stack((np.ones(len(x)), x))
    fold = np.random.default_rng(0).permutation(len(x)) % FOLDS
    errors = np.zeros(len(x))
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        moments = x[train].T @ x[train] + np.eye(x.shape[1])
        errors[test] = values[test] - x[test] @ np.linalg.solve(moments, x[train].T @ values[train])
    return max(0.0, 1.0 - float((errors**2).sum() / ((values - values.mean()) ** 2).sum()))


def _known(pool: Pool) -> Floats:
    """Covariates of a pool's orders, and products with the side."""
    known = np.array([
        (one.side, one.spread_bps or 0.0, (one.share or 0.0) ** 0.5, one.estimate_bps or 0.0)
        for one in pool.covariates
    ])  # fmt: skip
    return np.column_stack((known, known[:, :1] * known[:, 1:]))


def _chosen(pools: Pools, name: str, horizon_s: int) -> list[Pool]:
    """Pools of one horizon: of a market or law, or of both markets."""
    return [pools[one, horizon_s] for one in (MARKETS if name == BOTH else (name,))]


def _cost(pool: Pool, strategy: str, ratio: int = 1) -> str:
    """Name of a strategy's costs in a pool."""
    return strategy if strategy in pool.costs else f"{strategy}@{ratio}"


def _desk(
    pools: Sequence[Pool], baseline: str, arm: str, ratio: int, saved: float, design: Design, seeds: tuple[int, int]
) -> ExperimentRecord:  # fmt: skip
    """Experiment of one desk of two arms; `seeds`: of the study, of the desk."""
    first, second = (_cost(pools[0], name, ratio) for name in (baseline, arm))
    arms = {"baseline": (first, 0.0), "arm": (second, saved)}
    return run_desk(pools, arms, design, 100_000 * seeds[0] + seeds[1])


def _is_called(record: ExperimentRecord, planned: int) -> bool:
    """Whether the analysis, planned for a number of orders, calls the arms different at any look."""
    record.terms = structs.replace(record.terms, planned=planned)
    return analyse_experiment(record).savings[0].is_decided


def _write(tables: Sequence[Table], arguments: str) -> None:
    """Write the tables after what the file says above its first one."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Experiments of desks\n"
    lines = [text.split("\n## ", 1)[0].rstrip(), ""]
    for title, headings, rows in tables:
        lines += [f"## {title}", "", *markdown_table(headings, rows, headings[:2]), ""]
    lines.append(f"Written by `python -m studies experiments {arguments}`.")
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
