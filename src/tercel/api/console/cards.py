"""What the models of a desk know: the cards of its policies and of what forecasts for it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from tercel.api.console.connected import ConnectedDesk
from tercel.core.errors import TercelError
from tercel.core.serialization import to_jsonable
from tercel.desk.console.report import Interval, JudgedFigure, ModelCard
from tercel.desk.engine.config import OFF
from tercel.desk.engine.forecasts import model_of
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.policies_packaged import card_of
from tercel.execution.registry.resolve import resolve_policy
from tercel.signals.serving.model_folder import SignalModel

DAYS: Final = ("until", "to", "days", "dates", "day")
"""Where a card's table of what it was trained on tells days."""
OF_FORECASTS: Final = ("about", "command", "market", "rounds", "seed", "inputs")
"""What the card of a model of signals tells of its training."""
MEASURES: Final = {
    "ic": "correlation with what came",
    "r2": "R²",
    "within_90": "inside the 90 % interval",
}


def model_cards(served: ConnectedDesk) -> list[ModelCard]:
    """A card for every policy that works or is tried at a desk, and for the model that forecasts; written strategies
    have none.
    """
    seats = served.follower.ask(
        lambda state: [
            (one.name, one.strategy, one.model, dict(one.seat)) for one in state.agents.values()
        ]
    )
    used: dict[tuple[str, str], list[str]] = {}
    for agent, strategy, weights, seat in seats:
        if weights:
            used.setdefault((strategy.split("+")[0], weights), []).append(agent)
        challenger = str(seat.get("challenger") or "").split("+")[0]
        if ":" in challenger or "@" in challenger:
            used.setdefault((challenger, ""), []).append(f"{agent}, as challenger")
    return [*(_policy(*key, agents) for key, agents in used.items()), *_forecasts(served)]


def _policy(strategy: str, weights: str, agents: list[str]) -> ModelCard:
    try:
        card = card_of(weights) if weights else None
        card = card or read_card(resolve_policy(strategy) / CARD)
        if not card.weights_sha256.startswith(weights):
            return _unknown(
                "policy", strategy, agents, weights, "its folder holds other weights now"
            )
    except TercelError as error:
        return _unknown(
            "policy", strategy, agents, weights, f"{error.expected} was expected: {error.received}"
        )
    about = {
        **card.trained_on,
        "frames": card.frames,
        "learner": card.learner.get("name", ""),
        "seed": card.seed,
    }
    return ModelCard(
        kind="policy",
        name=strategy,
        used_by=agents,
        hash=card.weights_sha256[:12],
        version=card.version,
        markets=list(card.markets),
        trained_on=_words(about),
        seen_until=_last_day(card.trained_on),
        judged_on=str(card.scores.get("judged", "")),
        judged=list(_judged(card)),
        why="",
    )


def _judged(card: Card) -> Iterator[JudgedFigure]:
    """Costs where it was judged, by market where the card has them, those of the rule beside them."""
    tables = card.scores.get("by_market") or {card.market or "": card.scores}
    for market, table in tables.items():
        for key, value in table.items():
            if isinstance(value, Mapping) and "ci_low" in value:
                low, high = value["ci_low"], value["ci_high"]
                yield _figure(market, _measure(key), value.get("mean"), low, high)
            elif key.startswith("twap"):
                yield _figure(market, f"{key} there, bps", value)


def _measure(key: str) -> str:
    return "cost, bps" if key == "is_bps" else MEASURES.get(key, key.replace("_", " "))


def _forecasts(served: ConnectedDesk) -> Iterator[ModelCard]:
    name = str(served.desk.signals().get("model") or OFF)
    if name == OFF:
        return
    agents = served.follower.ask(
        lambda state: [(one.name, one.strategy) for one in state.agents.values()]
    )
    used = [agent for agent, strategy in agents if "+alpha" in strategy]
    try:
        model = model_of(name)
    except TercelError as error:
        yield _unknown(
            "forecast", name, used, "", f"{error.expected} was expected: {error.received}"
        )
        return
    card = model.card
    about = {key: card[key] for key in OF_FORECASTS if card.get(key) not in (None, "")}
    about |= {f"planted {key}": value for key, value in dict(card.get("planted") or {}).items()}
    about["sources"] = ", ".join(dict.fromkeys(part["source"] for part in card.get("parts", ())))
    test: Mapping[str, Any] = card.get("test") or {}
    yield ModelCard(
        kind="forecast",
        name=name,
        used_by=used,
        hash=model.id,
        version=str(card.get("version", "")),
        markets=[str(card["market"])] if card.get("market") else [],
        trained_on=_words(about),
        seen_until=_walked(model),
        judged_on=f"{test['rounds']} rounds apart" if "rounds" in test else "",
        judged=[
            figure
            for where, table in test.items()
            if isinstance(table, Mapping)
            for figure in _tested(where, table)
        ],
        why="",
    )


def _tested(where: str, table: Mapping[str, Any]) -> Iterator[JudgedFigure]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield _figure(
                where, _measure(key), value.get("mean"), value.get("ci_low"), value.get("ci_high")
            )
        elif isinstance(value, int | float) and key in MEASURES:
            yield _figure(where, _measure(key), value)


def _walked(model: SignalModel) -> str:
    try:
        until = model.walked_ns[1]
    except TercelError:
        return ""
    return str(np.datetime64(until, "ns").astype("datetime64[D]")) if until else ""


def _figure(where: str, what: str, mean: Any, low: Any = None, high: Any = None) -> JudgedFigure:
    return JudgedFigure(
        where=where,
        what=what,
        figure=Interval(mean=to_jsonable(mean), low=to_jsonable(low), high=to_jsonable(high)),
    )


def _last_day(trained_on: Mapping[str, Any]) -> str:
    """The last day that a card tells of its data.

    >>> _last_day({"days": ["2012-06-21", "2012-06-20"]}), _last_day({"seed": 1})
    ('2012-06-21', '')
    """
    found = next((trained_on[key] for key in DAYS if trained_on.get(key)), "")
    return str(max(found) if isinstance(found, list | tuple) else found)


def _words(table: Mapping[str, Any]) -> dict[str, str]:
    """Values as people read them.

    >>> _words({"markets": ["csco", "ibm"], "seed": 4, "note": ""})
    {'markets': 'csco, ibm', 'seed': '4'}
    """
    found = {
        key: ", ".join(map(str, one)) if isinstance(one, list | tuple) else str(one)
        for key, one in table.items()
    }
    return {key: text[:300] for key, text in found.items() if text}


def _unknown(kind: Any, name: str, used_by: list[str], weights: str, why: str) -> ModelCard:
    return ModelCard(
        kind=kind,
        name=name,
        used_by=used_by,
        hash=weights,
        version="",
        markets=[],
        trained_on={},
        seen_until="",
        judged_on="",
        judged=[],
        why=why,
    )
