"""Tables of renamed public names, attributes, parameters and TOML keys; former ones are refused with the new name.

`core.lazy` refuses names of packages, `core.validation` keys, the decorator `refuse_former_names` attributes and parameters.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

RENAMED: Final[dict[str, dict[str, str]]] = {
    "api": {
        "scored": "score_bounds",
    },
    "cli": {
        "listed_dates": "parse_dates",
        "listed_seeds": "parse_seeds",
        "reported": "report_errors",
        "stopped": "catch_interrupt",
    },
    "core": {
        "PATH": "PROOF_PATH",
        "ceiled": "ceil_units",
        "floored": "floor_units",
        "listed": "split_commas",
        "locked": "file_lock",
        "needed": "import_optional",
        "offer": "suggest_name",
        "proof": "simulation_proof",
        "refused": "refusal_report",
        "shown": "to_number",
        "stopping": "should_stop",
        "text": "format_decimal",
        "words_of": "expected_text",
    },
    "core.report": {
        "finished": "finish_figure",
        "fixed": "format_number",
        "render": "render_page",
        "spelt": "format_interval",
        "spelt_cell": "format_interval",
    },
    "desk.engine": {
        "open_desk": "assemble_desk",
    },
    "desk.gate": {
        "beside_gate": "run_watchdog",
    },
    "desk.trading": {
        "accepted": "acceptance_entry",
    },
    "execution": {
        "checked": "wrap_strategy",
        "located": "import_object",
        "settle": "finish_intents",
        "standing": "standing_lots",
    },
    "execution.foresight": {
        "heard": "readable_forecaster",
    },
    "execution.policies": {
        "hearing": "with_forecaster",
    },
    "feeds": {
        "in_room": "run_with_room",
    },
    "fix": {
        "RAW": "RAW_DATA",
        "answered": "answer_simulation_query",
        "line": "one_line",
        "named": "check_name",
        "need": "require",
        "present": "drop_empty",
        "priced": "price_fields",
        "times": "time_fields",
        "whole": "parse_ns",
        "whose": "account_fields",
    },
    "lab.learning": {
        "VecEnv": "AnyVectorEnv",
    },
    "lab.evaluation": {
        "Recording": "Decisions",
        "ScenarioComparison": "Compared",
    },
    "lab.evaluation.pipeline": {
        "MarketCell": "ScenarioCell",
        "claimed": "claim_lines",
        "field_of": "select_participants",
        "gain": "format_gain",
        "label": "row_label",
        "overflowing": "overflowing_rules",
        "ranked": "rank_opponents",
        "without_overflowed": "without_overflowed_episodes",
    },
    "market": {
        "FIRST_MADE": "FIRST_SYNTHETIC_DATE",
        "by_day": "figure_by_day",
        "calibrated": "calibrate_preset",
        "clusters": "sums_by_cluster",
        "compiled": "load_compiled",
        "days_of": "read_preset_days",
        "estimates": "figure_estimates",
        "finite": "finite_or_none",
        "interleaved": "interleaved_differences",
        "keep": "with_scores",
        "of_one_market": "check_one_market",
        "over": "safe_ratio",
        "refuse_seen": "refuse_calibration_days",
        "rounded": "round_values",
        "seen_days": "overlapping_days",
        "seen_through": "limit_levels",
        "shares": "share_figures",
        "simulated": "simulate_stretch",
        "table": "sums_table",
        "values": "figure_values",
    },
    "market.impact": {
        "carrying": "with_pilot_law",
    },
    "market.regimes": {
        "chosen": "parse_regimes",
    },
    "market.simulator": {
        "synthetic": "synthetic_day",
        "theirs": "with_strict_bound",
    },
    "signals": {
        "checked": "check_facts",
        "checks": "translate_check_errors",
        "masked": "mask_numbers",
        "words": "split_words",
    },
    "signals.models": {
        "absent": "missing_library",
    },
    "signals.risk": {
        "asked": "posture_limits",
        "changed": "posture_changes",
    },
    "signals.runs": {
        "opened": "open_portfolio",
        "walked": "walk_families",
    },
}
"""Package below `tercel` -> former name -> name."""
KEYS: Final = {"loop.hedge": "loop.expert_weights"}
"""Former path of a key in a TOML file -> its path."""
PRESETS: Final = {
    "csco": "take sh600961; csco was quoted in tenths of a cent and read in cents",
    "es": "take clx5; es was calibrated on half an hour of a holiday",
    "btc-spot": "take ethbtc; btc-spot was calibrated on three minutes",
}
"""Former preset market -> the one to take instead, and why it left."""
MEMBERS: Final[dict[str, dict[str, str]]] = {
    "AdaptationCell": {
        "beside_specialist": "versus_specialist",
    },
    "Analysis": {
        "apart": "foreign_fees",
        "fits": "fits_by_shift",
        "left_orders": "skipped_orders",
        "left_parents": "skipped_parents",
        "meant": "similar_symbols",
        "odd_words": "odd_counts",
    },
    "Book.__init__": {
        "own": "own_orders",
    },
    "Candidate": {
        "eyes": "observation",
        "learned": "is_learned",
        "own": "user_strategy",
    },
    "Card": {
        "look": "validation_check",
    },
    "Claim": {
        "called_by_view": "means_by_view",
        "parts": "place_gains",
    },
    "CostRow": {
        "known": "estimates",
    },
    "DeskCosts": {
        "summed": "cost_summary",
    },
    "DeskCosts.page": {
        "more": "extra_sections",
    },
    "Estimator": {
        "asked": "check_features",
        "begin": "check_training_data",
        "finite": "check_predictions",
    },
    "Experiment": {
        "chosen_on": "validation_episodes",
        "elsewhere": "runner",
        "here": "in_process",
    },
    "Experiment.__init__": {
        "chosen_on": "validation_episodes",
        "elsewhere": "runner",
        "here": "in_process",
    },
    "Fees": {
        "words": "kernel_values",
    },
    "Figure.save": {
        "where": "target",
    },
    "FrameSource": {
        "where": "origin",
    },
    "FrameSource.__init__": {
        "where": "origin",
    },
    "Lake": {
        "behind": "real_dates",
        "spelt": "match_case",
    },
    "LimitGate.__init__": {
        "more": "extra_checks",
    },
    "LocalRegistry": {
        "where": "location",
    },
    "LocalRegistry.promote": {
        "at": "timestamp",
        "which": "reference",
        "why": "reason",
    },
    "LocalRegistry.register": {
        "at": "timestamp",
    },
    "Market": {
        "each": "by_symbol",
    },
    "Member": {
        "where": "location",
    },
    "OpponentGains": {
        "first": "first_market_gain",
        "view": "gain_in_view",
    },
    "Order": {
        "on": "on_day",
        "where": "origin",
    },
    "Order.__init__": {
        "where": "origin",
    },
    "Order.days": {
        "of": "instruments",
    },
    "OwnCosts": {
        "summed": "cost_summary",
    },
    "OwnCosts.page": {
        "more": "extra_sections",
    },
    "OwnParent": {
        "apart": "foreign_fees",
        "asked": "worked_parts",
        "worked": "worked_lots",
    },
    "ParentOrder": {
        "must_have_time": "require_time_left",
        "why": "status_reason",
    },
    "Preset": {
        "mark": "fingerprint",
        "packed": "pack_parameters",
        "path": "path_seed",
        "recorded": "make_tape_day",
        "remember": "init_memory",
    },
    "RegimeChain": {
        "own": "own_regimes",
        "words": "packed_values",
    },
    "RegimeChain.__init__": {
        "own": "own_regimes",
    },
    "RegimeScript": {
        "own": "own_regimes",
        "played": "timeline",
        "words": "packed_values",
    },
    "RegimeScript.__init__": {
        "own": "own_regimes",
    },
    "Result": {
        "episodes_table": "episodes",
        "evaluation": "store",
        "rows": "table",
    },
    "ScenarioCell": {
        "among": "with_cheapest",
    },
    "Table": {
        "how": "how_to_map",
        "sound": "drop_bad_rows",
        "where": "source",
    },
    "Task.of": {
        "given": "values",
    },
    "Tuned": {
        "found": "outcome",
    },
}
"""Class or function -> former attribute or parameter -> its name."""
Target = TypeVar("Target", bound=Callable[..., Any])


def new_name(package: str, name: str) -> str:
    """What a former name of a package is called now; "" for any other name.

    >>> new_name("tercel.core", "shown"), new_name("tercel.core", "to_number")
    ('to_number', '')
    """
    return RENAMED.get(package.removeprefix("tercel."), {}).get(name, "")


def refuse_former_names(target: Target) -> Target:
    """Decorate a class to refuse its former attributes, or a function its former parameters (`MEMBERS`), with the new name.

    An attribute that exists takes no longer than without this; a call of the function or of a constructor in the table is
    one call more. A subclass that defines a former name is refused, too (TypeError): nothing would call it.
    """
    names = MEMBERS[target.__qualname__]
    if isinstance(target, type):
        _refuse_attributes(target, names)
        return target
    checked: Target = _refuse_parameters(target, names)
    return checked


def _refuse_attributes(kind: Any, names: Mapping[str, str]) -> None:
    """Make objects of a class refuse former attributes, and the class subclasses and arguments that have their names."""
    find_inherited = getattr(kind, "__getattr__", object.__getattribute__)

    def find(instance: Any, name: str) -> Any:
        """Refuse a former attribute; look for another missing one as if there were no table."""
        if name in names:
            raise AttributeError(_renamed(kind, name, names))
        return find_inherited(instance, name)

    def check_subclass(subclass: Any, /, **options: Any) -> None:
        """Refuse a subclass that defines an attribute under a former name."""
        super(kind, subclass).__init_subclass__(**options)
        own_classes = subclass.__mro__[: subclass.__mro__.index(kind)]
        for name in names.keys() & {key for own in own_classes for key in vars(own)}:
            raise TypeError(_renamed(subclass, name, names))

    methods = {"__getattr__": find, "__init_subclass__": classmethod(check_subclass)}
    if parameters := MEMBERS.get(f"{kind.__qualname__}.__init__"):
        methods["__init__"] = _refuse_parameters(vars(kind)["__init__"], parameters)
    for name, method in methods.items():
        setattr(kind, name, method)


def _refuse_parameters(function: Any, names: Mapping[str, str]) -> Any:
    """The function, refusing former names of its parameters."""

    @wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:
        """Call the function, unless an argument has a former name."""
        for name in names.keys() & options.keys():
            raise TypeError(_renamed(function, name, names))
        return function(*arguments, **options)

    return checked


def _renamed(owner: Any, name: str, names: Mapping[str, str]) -> str:
    """Sentence that a former name of a class or function has a new one."""
    return f"{name!r} of {owner.__qualname__!r} is called {names[name]!r} now"
