"""Cards of a desk's models for the console: its policies and its return forecaster, with data, measured costs and limits."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from tercel.api.console.connected import ConnectedDesk
from tercel.core.errors import TercelError
from tercel.core.serialization import to_jsonable
from tercel.desk.console.model_report import Interval, JudgedFigure, ModelCard
from tercel.desk.engine.config import OFF
from tercel.desk.engine.forecasts import model_of
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies_packaged import card_of
from tercel.execution.registry.resolve import resolve_policy
from tercel.signals.models.signal_model import SignalModel

DAYS: Final = ("until", "to", "days", "dates", "day")
"""Keys of days in a card's table of training data."""
OF_FORECASTS: Final = ("about", "command", "market", "rounds", "seed", "inputs")
"""Keys of a signal model's card that describe its training."""
MEASURES: Final = {
    "is_bps": "cost, bps",
    "ic": "correlation with what came",
    "r2": "R²",
    "within_90": "inside the 90 % interval",
}


def model_cards(served: ConnectedDesk) -> list[ModelCard]:
    """Cards of the policies that a desk uses or tries as challengers, and of its return forecaster; rules have none."""
    seats = served.follower.query(
        lambda state: [
            (agent.name, agent.strategy, agent.model, dict(agent.seat))
            for agent in state.agents.values()
        ]
    )
    used: dict[tuple[str, str], list[str]] = {}
    for agent, strategy, weights_hash, seat in seats:
        if weights_hash:
            used.setdefault((strategy.split("+")[0], weights_hash), []).append(agent)
        challenger = str(seat.get("challenger") or "").split("+")[0]
        if ":" in challenger or "@" in challenger:
            used.setdefault((challenger, ""), []).append(f"{agent}, as challenger")
    return [*(_policy_card(*key, agents) for key, agents in used.items()), *_forecast_cards(served)]


def _policy_card(strategy: str, weights_hash: str, agents: list[str]) -> ModelCard:
    """Card of a policy that some agents use, by the hash of its weights; where its file is missing or has others, a
    card with the reason."""
    try:
        card = card_of(weights_hash) if weights_hash else None
        card = card or read_card(resolve_policy(strategy) / CARD)
        if not card.weights_sha256.startswith(weights_hash):
            return _unknown_model_card(
                "policy", strategy, agents, weights_hash, "its folder holds other weights now"
            )
    except TercelError as error:
        return _unknown_model_card(
            "policy",
            strategy,
            agents,
            weights_hash,
            f"{error.expected} was expected: {error.received}",
        )
    facts = {
        **card.trained_on,
        "frames": card.frames,
        "learner": card.learner.get("name", ""),
        "seed": card.seed,
    }
    tables = card.scores.get("by_market") or {card.market or "": card.scores}
    return ModelCard(
        kind="policy",
        name=strategy,
        used_by=agents,
        hash=card.weights_sha256[:12],
        version=card.version,
        markets=list(card.markets),
        trained_on=_display_texts(facts),
        seen_until=_last_day(card.trained_on),
        judged_on=str(card.scores.get("judged", "")),
        judged=[figure for market, table in tables.items() for figure in _figures(market, table)],
        why="",
    )


def _figures(scope: str, table: Mapping[str, Any]) -> Iterator[JudgedFigure]:
    """Figures of one table of a model's evaluation, those of the rules beside them; `scope`: its market or sample."""
    for key, value in table.items():
        label = MEASURES.get(key, key.replace("_", " "))
        if isinstance(value, Mapping) and "ci_low" in value:
            yield _figure(scope, label, value.get("mean"), value["ci_low"], value["ci_high"])
        elif key.startswith("twap"):
            yield _figure(scope, f"{key} there, bps", value)
        elif isinstance(value, int | float) and key in MEASURES:
            yield _figure(scope, label, value)


def _forecast_cards(served: ConnectedDesk) -> Iterator[ModelCard]:
    """The card of the desk's return forecaster; nothing where the desk has none."""
    name = str(served.desk.signals().get("model") or OFF)
    if name == OFF:
        return
    agents = served.follower.query(
        lambda state: [(agent.name, agent.strategy) for agent in state.agents.values()]
    )
    used = [agent for agent, strategy in agents if "+alpha" in strategy]
    try:
        model = model_of(name)
    except TercelError as error:
        yield _unknown_model_card(
            "forecast", name, used, "", f"{error.expected} was expected: {error.received}"
        )
        return
    card = model.card
    facts = {key: card[key] for key in OF_FORECASTS if card.get(key) not in (None, "")}
    facts |= {f"synthetic {key}": value for key, value in dict(card.get("planted") or {}).items()}
    facts["sources"] = ", ".join(dict.fromkeys(part["source"] for part in card.get("parts", ())))
    test: Mapping[str, Any] = card.get("test") or {}
    yield ModelCard(
        kind="forecast",
        name=name,
        used_by=used,
        hash=model.id,
        version=str(card.get("version", "")),
        markets=[str(card["market"])] if card.get("market") else [],
        trained_on=_display_texts(facts),
        seen_until=_last_walked_day(model),
        judged_on=f"{test['rounds']} rounds apart" if "rounds" in test else "",
        judged=[
            figure
            for scope, table in test.items()
            if isinstance(table, Mapping)
            for figure in _figures(scope, table)
        ],
        why="",
    )


def _last_walked_day(model: SignalModel) -> str:
    """Last day that the walk-forward training of a forecaster has seen, YYYY-MM-DD; "" if unknown."""
    try:
        until = model.walked_ns[1]
    except TercelError:
        return ""
    return str(np.datetime64(until, "ns").astype("datetime64[D]")) if until else ""


def _figure(scope: str, measure: str, mean: Any, low: Any = None, high: Any = None) -> JudgedFigure:
    """A figure of a model card: a measure in a scope, its mean and interval."""
    return JudgedFigure(
        where=scope,
        what=measure,
        figure=Interval(mean=to_jsonable(mean), low=to_jsonable(low), high=to_jsonable(high)),
    )


def _last_day(trained_on: Mapping[str, Any]) -> str:
    """The last day of a card's training data; "" where the card names none.

    >>> _last_day({"days": ["2012-06-21", "2012-06-20"]}), _last_day({"seed": 1})
    ('2012-06-21', '')
    """
    days = next((trained_on[key] for key in DAYS if trained_on.get(key)), "")
    return str(max(days) if isinstance(days, list | tuple) else days)


def _display_texts(table: Mapping[str, Any]) -> dict[str, str]:
    """Values of a card as display texts of at most 300 characters, without empty ones.

    >>> _display_texts({"markets": ["sh600961", "ibm"], "seed": 4, "note": ""})
    {'markets': 'sh600961, ibm', 'seed': '4'}
    """
    texts = {
        key: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for key, value in table.items()
    }
    return {key: text[:300] for key, text in texts.items() if text}


def _unknown_model_card(
    kind: Any, name: str, used_by: list[str], weights_hash: str, reason: str
) -> ModelCard:
    """Card of a model that cannot be read, with the reason."""
    return ModelCard(
        kind=kind,
        name=name,
        used_by=used_by,
        hash=weights_hash,
        version="",
        markets=[],
        trained_on={},
        seen_until="",
        judged_on="",
        judged=[],
        why=reason,
    )
