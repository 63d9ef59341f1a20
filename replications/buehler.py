"""`python -m replications buehler`: deep hedging in Heston's market, with and without costs, beside the study's.

Buehler, Gonon, Teichmann and Wood (2019), "Deep hedging", Quantitative Finance 19, sections 5.1 to 5.3. A call of 30
days at the money is hedged daily with the stock and a variance swap; nothing is minimised but a convex risk measure of
what is left. One small network a day sees log S, V and what is held (section 5.1: two hidden layers of 17, ReLU, batch
normalisation before it, Adam at 0.005).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from replications.deep_hedging.model import shortfall
from replications.heston import DAYS, SPOT, Heston, losses
from replications.kept_cells import cell_of, interval, measured, shown
from tercel.cli import print_json, print_sentences, print_table, say
from tercel.core import Floats, import_optional
from tercel.core.report import Figure, finish_figure, palette, sketch

STUDY: Final = "buehler"
COSTS: Final = tuple(2.0 ** -(i + 5) for i in range(5, 0, -1))
"""Proportional costs of the study's figure 11: 1/1024 to 1/64."""
SWAP: Final = 300.0
"""Units of the variance swap that a network's second output is counted in; delta is some 350 at the start."""
MARKET: Final = Heston()
PUBLISHED: Final[dict[str, float]] = {
    "risk_neutral_price": 1.69,
    "price_cvar_50": 1.94,
    "price_cvar_99": 3.49,
    "left_50_by_50": 0.2531,
    "left_99_by_50": 2.3631,
    "left_50_by_99": 0.527,
    "left_99_by_99": 1.8034,
    "price_cvar_99_cost_recurrent": 5.5137,
    "price_cvar_99_cost_simple": 6.7446,
    "cost_exponent": 0.71,
}
"""Read from the article's text (arXiv 1802.03042): section 5.2 and the tables under figures 5 and 7, figure 11."""
LABELS: Final = {
    "risk_neutral_price": "price without risk or costs, q",
    "price_cvar_50": "price by 50 % expected shortfall",
    "price_cvar_99": "price by 99 % expected shortfall",
    "left_50_by_50": "charged q: 50 % shortfall of the 50 % hedge",
    "left_99_by_50": "charged q: 99 % shortfall of the 50 % hedge",
    "left_50_by_99": "charged q: 50 % shortfall of the 99 % hedge",
    "left_99_by_99": "charged q: 99 % shortfall of the 99 % hedge",
    "price_cvar_99_cost_recurrent": "price by 99 % shortfall, costs of 1 %",
    "price_cvar_99_cost_simple": "the same, network not told what is held",
    "cost_exponent": "power of the cost that the price grows with",
}


@dataclass(frozen=True)
class Settings:
    """What is learned on how many paths, and how often."""

    seeds: tuple[int, ...] = (1,)
    steps: int = 1500  # of a hedge learned from nothing; half as many where it goes on from another
    batch: int = 1024
    pool: int = 131_072
    judged: int = 100_000


@dataclass(frozen=True)
class Task:
    """A hedge to learn: `alpha` of the expected shortfall (0: the entropic measure at 1), cost, what is seen."""

    alpha: float
    cost: float = 0.0
    recurrent: bool = True
    after: str = ""
    """Task whose hedge it starts from."""


CHAINS: Final[dict[str, dict[str, Task]]] = {
    "shortfall": {
        "cvar-50": Task(0.5),
        "cvar-99": Task(0.99, after="cvar-50"),
        "entropic-0": Task(
            0.0, after="cvar-50"
        ),  # from nothing, its exponents of bad hedges teach little
        "cvar-99-cost": Task(0.99, 0.01),
        "cvar-99-cost-simple": Task(0.99, 0.01, recurrent=False),
    },
    "entropic": {
        f"entropic-{i}": Task(0.0, cost, after=f"entropic-{i - 1}" if i > 1 else "")
        for i, cost in enumerate(COSTS, 1)
    },
}
"""Hedges learned one after another."""


class Hedge:
    """A network a day; weights are torch's. The first day sees one state alone, so its holding is two numbers.

    What is held is handed to each network, and past it by a factor that is learned: 1 at first where trading costs, so
    that learning starts from a hedge that rests. The function is of the study's form.
    """

    def __init__(self, task: Task) -> None:
        torch = import_optional("torch", "learn")
        nn = torch.nn
        self.recurrent = task.recurrent
        self.days = nn.ModuleList(
            nn.Sequential(
                nn.Linear(4, 17), nn.BatchNorm1d(17), nn.ReLU(),
                nn.Linear(17, 17), nn.BatchNorm1d(17), nn.ReLU(), nn.Linear(17, 2),
            )
            for _ in range(DAYS - 1)
        )  # fmt: skip
        self.days.register_parameter("first", nn.Parameter(torch.tensor([0.5, 1.0])))
        rests = task.recurrent and task.cost > 0
        self.days.register_parameter("past", nn.Parameter(torch.full((DAYS, 1), float(rests))))
        if rests:
            with torch.no_grad():
                for net in self.days:
                    for part in net[-1].parameters():
                        part.mul_(0.1)

    def losses(self, paths: Sequence[Any], cost: float) -> tuple[Any, list[Any]]:
        """Losses (n,) of the call sold for nothing, and what was held each day, (n, 2) in S and `SWAP` swaps."""
        torch = import_optional("torch", "learn")
        spots, swaps, variances = paths
        prices = torch.stack([spots, swaps * SWAP], dim=2)
        held = torch.zeros(len(spots), 2)
        total, every = torch.relu(spots[:, -1] - SPOT), []
        for k in range(DAYS):
            told = held if self.recurrent else torch.zeros_like(held)
            seen = torch.stack(
                [torch.log(spots[:, k] / SPOT) * 20, variances[:, k] * 10, *told.T], dim=1
            )
            wanted = (
                self.days[k - 1](seen) + self.days.past[k] * told
                if k
                else self.days.first.expand(len(spots), 2)
            )
            if cost:
                total = total + cost * ((wanted - held).abs() * prices[:, k]).sum(1)
            total = total - (wanted * (prices[:, k + 1] - prices[:, k])).sum(1)
            held = wanted
            every.append(held)
        if cost:
            total = total + cost * (held.abs() * prices[:, -1]).sum(1)
        return total, every


def learned(
    task: Task, start: Hedge | None, seed: int, s: Settings, pool: Sequence[Any], price: float
) -> Hedge:
    """A hedge trained on a pool of paths by the gradient of its risk through the whole path."""
    torch = import_optional("torch", "learn")
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hedge = Hedge(task)
    if start is not None:
        hedge.days.load_state_dict(start.days.state_dict())
    steps, rate = (s.steps, 5e-3) if start is None else (s.steps // 2, 3e-3)
    threshold = torch.nn.Parameter(torch.tensor(price))
    optimiser = torch.optim.Adam([*hedge.days.parameters(), threshold], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, rate / 50)
    hedge.days.train()
    for _ in range(steps):
        rows = torch.randint(len(pool[0]), (s.batch,), generator=draw)
        loss, _ = hedge.losses([part[rows] for part in pool], task.cost)
        if task.alpha:
            risk = threshold + torch.relu(loss - threshold).mean() / (1 - task.alpha)
        else:
            risk = torch.logsumexp(loss, 0) - np.log(s.batch)
        optimiser.zero_grad()
        risk.backward()
        optimiser.step()
        schedule.step()
    hedge.days.eval()
    return hedge


def tensors(arrays: Sequence[Floats]) -> list[Any]:
    """As torch's float32."""
    torch = import_optional("torch", "learn")
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def entropic(loss: Floats) -> dict[str, float]:
    """log E exp L with its 95 % interval over paths (delta method)."""
    most = float(loss.max())
    scaled = interval(np.exp(loss - most))
    mean, error = most + float(np.log(scaled["mean"])), scaled["se"] / scaled["mean"]
    return {
        "mean": mean,
        "se": error,
        "ci_low": mean - 1.96 * error,
        "ci_high": mean + 1.96 * error,
    }


def risks(loss: Floats, task: Task) -> dict[str, Any]:
    """The price that the task's measure asks, and expected shortfalls, with intervals over paths."""
    found = {
        f"cvar_{level}": interval(shortfall(loss, level / 100).influence) for level in (50, 99)
    }
    price = entropic(loss) if not task.alpha else found[f"cvar_{round(100 * task.alpha)}"]
    return {"price": price, **found, "mean": float(loss.mean()), "sd": float(loss.std())}


def judged_paths(market: Heston, s: Settings) -> tuple[Floats, Floats, Floats]:
    """The same fresh paths for every hedge."""
    return market.paths(s.judged, np.random.default_rng((0, 0xEA)))


def measure(chain: str, seed: int, s: Settings) -> dict[str, Any]:
    """The hedges of a chain, learned one after another and judged."""
    torch, market = import_optional("torch", "learn"), MARKET
    pool = tensors(market.paths(s.pool, np.random.default_rng((seed, 0xB0E))))
    paths = judged_paths(market, s)
    fresh = tensors(paths)
    hedges: dict[str, Hedge] = {}
    found: dict[str, Any] = {}
    for name, task in CHAINS[chain].items():
        hedge = learned(task, hedges.get(task.after), seed, s, pool, market.price())
        hedges[name] = hedge
        with torch.no_grad():
            loss, held = hedge.losses(fresh, task.cost)
        found[name] = risks(loss.double().numpy(), task)
        if name == "cvar-50":
            model = market.model_hedge(paths[0][:2000], paths[2][:2000])[:, :, 0]
            gap = torch.stack(held, dim=1)[:2000, :, 0].detach().double().numpy() - model
            found[name]["from_model_delta"] = float(np.sqrt(np.mean(gap**2)))
    return found


def reference(s: Settings) -> dict[str, Any]:
    """The market's own price, the mean payoff of the judged paths, and what the model's hedge leaves."""
    market = MARKET
    spots, swaps, variances = judged_paths(market, s)
    loss = losses(spots, swaps, market.model_hedge(spots, variances))
    payoff = interval(np.maximum(spots[:, -1] - SPOT, 0.0))
    return {"price": market.price(), "payoff": payoff, "model": risks(loss, Task(0.5))}


def over_seeds(runs: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Mean over training seeds, its interval over paths as wide as the widest, and each seed's figure."""
    means = [float(run[key]["mean"]) for run in runs]
    error = max(float(run[key]["se"]) for run in runs)
    mean = float(np.mean(means))
    return {
        "mean": mean,
        "se": error,
        "ci_low": mean - 1.96 * error,
        "ci_high": mean + 1.96 * error,
        "seeds": means,
    }


def found_of(cells: Mapping[str, Mapping[str, Any]], s: Settings) -> dict[str, Any]:
    """Our figures by the names of `PUBLISHED`, the model's hedge beside, and the ladder of costs."""
    market = cells["market"]
    q = float(market["price"])
    runs = {
        name: [cells[f"{chain}-seed{seed}"][name] for seed in s.seeds]
        for chain, tasks in CHAINS.items()
        for name in tasks
    }

    def price(name: str) -> dict[str, Any]:
        return over_seeds(runs[name], "price")

    def left(name: str, level: int) -> dict[str, Any]:
        one = over_seeds(runs[name], f"cvar_{level}")
        return {
            key: value - q for key, value in one.items() if key in ("mean", "ci_low", "ci_high")
        }

    ladder = [price(f"entropic-{i}") for i in range(len(COSTS) + 1)]
    grown = np.array(
        [
            [step["seeds"][j] - ladder[0]["seeds"][j] for step in ladder[1:]]
            for j in range(len(s.seeds))
        ]
    )
    slopes = [
        float(np.polyfit(np.log(COSTS), np.log(np.maximum(row, 1e-9)), 1)[0]) for row in grown
    ]
    model = {f"left_{level}": market["model"][f"cvar_{level}"]["mean"] - q for level in (50, 99)}
    mean = float(np.mean(slopes))
    return {
        "risk_neutral_price": {"mean": q, "payoff": market["payoff"]},
        "price_cvar_50": price("cvar-50"),
        "price_cvar_99": price("cvar-99"),
        "left_50_by_50": left("cvar-50", 50),
        "left_99_by_50": left("cvar-50", 99),
        "left_50_by_99": left("cvar-99", 50),
        "left_99_by_99": left("cvar-99", 99),
        "price_cvar_99_cost_recurrent": price("cvar-99-cost"),
        "price_cvar_99_cost_simple": price("cvar-99-cost-simple"),
        "cost_exponent": {"mean": mean, "seeds": slopes},
        "model_hedge": {
            **model,
            "price_cvar_50": q + model["left_50"],
            "price_cvar_99": q + model["left_99"],
        },
        "from_model_delta": float(np.mean([run["from_model_delta"] for run in runs["cvar-50"]])),
        "by_cost": [{"cost": cost, **one} for cost, one in zip((0.0, *COSTS), ladder, strict=True)],
    }


def run(settings: Settings, out: Path, as_json: bool) -> None:
    """Print our figures beside the published ones and draw the ladder of costs."""
    import_optional("torch", "learn")
    cells: dict[str, Callable[[], dict[str, Any]]] = {"market": partial(reference, settings)}
    for seed in settings.seeds:
        for chain in CHAINS:
            cells[f"{chain}-seed{seed}"] = partial(measure, chain, seed, settings)
    asked = {key: value for key, value in asdict(settings).items() if key != "seeds"}
    found = found_of(measured(out / "cells", asked, cells), settings)
    out.mkdir(parents=True, exist_ok=True)
    path = figure(found).save(out)
    if as_json:
        print_json({"study": STUDY, "published": PUBLISHED, "ours": found, "settings": asdict(settings),
                    "figure": str(path)})  # fmt: skip
    else:
        _print(found)
    say(f"figure  {path}")


def _print(found: Mapping[str, Any]) -> None:
    beside = {"price_cvar_50": "price_cvar_50", "price_cvar_99": "price_cvar_99"}
    beside |= {"left_50_by_50": "left_50", "left_99_by_50": "left_99"}
    cells = []
    for key, theirs in PUBLISHED.items():
        one = found[key]
        ours = shown(one, 3) if "ci_low" in one else f"{one['mean']:.3f}"
        model = found["model_hedge"].get(beside.get(key, ""))
        cells.append((LABELS[key], cell_of(theirs), ours, cell_of(model, 3)))
    print_table(
        "a call of 30 days in Heston's market", ("", "published", "ours", "model's hedge"), cells
    )
    payoff = found["risk_neutral_price"]["payoff"]
    print_sentences(
        [
            f"mean payoff of the judged paths {shown(payoff, 3)}; V is constant within a day, as in the study",
            f"the 50 % hedge's units of stock are {found['from_model_delta']:.3f} (rms) from the model's",
            "intervals are over the judged paths; `--seeds` trains more often and gives the mean",
        ]
    )


def figure(found: Mapping[str, Any]) -> Figure:
    """What costs add to the price, on logarithmic axes, with the fitted power and the power 2/3."""
    ladder = found["by_cost"]
    base, costs = ladder[0]["seeds"], np.array([one["cost"] for one in ladder[1:]])
    with sketch(3.2, 5.0) as drawing:
        panel = drawing.subplots()
        for j in range(len(base)):
            grown = [max(one["seeds"][j] - base[j], 1e-3) for one in ladder[1:]]
            panel.plot(
                costs,
                grown,
                "o",
                color=palette.SERIES[0].token,
                label="ours, one dot a seed" if not j else None,
            )
        middle = max(ladder[3]["mean"] - ladder[0]["mean"], 1e-3)
        panel.plot(
            costs,
            middle * (costs / costs[2]) ** (2 / 3),
            color=palette.INK.token,
            label="power 2/3",
        )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("proportional cost")
        panel.set_ylabel("added to the price")
        panel.legend(loc="upper left")
    return finish_figure(
        drawing,
        "buehler_costs",
        "What proportional costs add to the entropic price of a call in Heston's market, on logarithmic axes.",
        f"Fitted power {found['cost_exponent']['mean']:.2f}; the study's figure 11 says 0.71.",
    )


def settings_of(seeds: Sequence[int], full: bool) -> Settings:
    """The default's settings, or longer trainings judged on the study's million of paths."""
    if full:
        return Settings(tuple(seeds), 20_000, 1024, 1_000_000, 1_000_000)
    return Settings(tuple(seeds))
