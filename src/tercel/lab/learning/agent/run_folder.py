"""Run folder of a training: its configuration, marks of what it names, its result.

config.json      what was told, whole, with marks of the markets and functions that it names
metrics.csv      a row an update: losses, costs term by term
validation.csv   a row a look: the greedy policy beside the rule on episodes that are not trained on
checkpoint/      the learner's state: a stopped training goes on from it
policy/          the best policy by validation, with its card
last/            the policy of the last look: the mean of the late ones, chosen by nothing
run.json         what became of it
report.html      the same as pictures
"""

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import write_whole
from tercel.core.kernel_keys import fingerprint
from tercel.execution.policies.policy import CARD
from tercel.lab.evaluation.training_files import LOOKS, SWEEP, variants_in
from tercel.lab.learning.agent.config import AgentConfig, parse
from tercel.lab.learning.agent.env import functions_of
from tercel.market.flow import preset as presets
from tercel.market.tape import Lake

# -- run folder -----------------------------------------------------------------------------------

FILE: Final = "config.json"
# Its key for marks of what the configuration only names.
MADE_OF: Final = "made_of"
RESULT: Final = "run.json"
# Folder of the best policy by validation.
POLICY: Final = "policy"
CHECKS: Final = LOOKS
# Columns of a look without which a run cannot go on.
CHECK_COLUMNS: Final = ("frames", "merit", "is_bps", "rule_bps", "gain", "se")
LAST: Final = "last"
UPDATES_A_CHECKPOINT: Final = 10


def write_result(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write the result of a training into its folder."""
    write_whole(folder / RESULT, json.dumps(result, indent=1) + "\n")
    return result


def _run_record(config: AgentConfig, seed: int) -> dict[str, Any]:
    """What a run folder keeps of what was told."""
    return {"seed": seed, **config.model_dump(mode="json"), MADE_OF: made_of(config)}


def made_of(config: AgentConfig) -> dict[str, Any]:
    """What a configuration names, as it is now: marks of markets and of the user's functions, the days of a lake.

    Functions are marked by their compiled code, which another version of Python does not share.
    """
    found = dict[str, Any]()
    if config.on_tape:
        found["days"] = list(Lake(config.market.lake).days(config.market.symbol))
    else:
        found["presets"] = {name: presets.load(name).mark for name in config.market.presets}
    if config.own_code:
        found["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        found["functions"] = {
            name: fingerprint(function) for name, function in functions_of(config).items()
        }
    return found


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], above: str = ""
) -> Iterator[str]:
    """Differences between the configurations of two run folders, in words.

    >>> list(differences({"task": {"share": 0.1, "side": 0}}, {"task": {"share": 0.2, "side": 0}}))
    ['task.share 0.1 there, 0.2 here']
    """
    for key in dict.fromkeys([*before, *now]):
        one, other, name = before.get(key), now.get(key), f"{above}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other, f"{name}.")
        elif one != other:
            yield f"{name} {_value(one)} there, {_value(other)} here"


def _value(value: Any) -> str:
    return "not told" if value is None else f"{value!r:.80}"


def changed_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is no longer as it was when a run began, in words."""
    for kind, what in (("presets", "market"), ("functions", "function")):
        if kind == "functions" and before.get("python") != now.get("python"):
            continue
        for name, mark in before.get(kind, {}).items():
            if now.get(kind, {}).get(name, mark) != mark:
                yield f"the {what} {name} was another then"
    if before.get("days", now.get("days")) != now.get("days"):
        yield f"the lake held {len(before['days'])} days then, {len(now['days'])} now"


def refuse_another(folder: Path, config: AgentConfig, seed: int) -> None:
    """Refuse a folder of another training, or one that names what is not there; the same one is gone on with.

    Raises
    ------
    ConfigError, UnknownNameError
        With the first thing that is told otherwise, or is no longer what it was.
    """
    path, now = folder / FILE, json.loads(json.dumps(_run_record(config, seed)))
    if not path.exists():
        return
    try:
        before: dict[str, Any] = dict(json.loads(path.read_text()))
    except ValueError as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "name another folder (`out=`)"
        ) from None
    made, makes = before.pop(MADE_OF, {}), now.pop(MADE_OF)
    found = next(chain(differences(before, now), changed_since(made, makes)), None)
    if found is not None:
        remedy = f"name another folder (`out=`), or go on with it as it was: tercel agent train `resume={folder}`"
        remedy += " `trust=True`" if made.get("functions") else ""
        raise ConfigError(
            "a new run folder, or one of this very training",
            f"{folder} holds another: {found}",
            remedy,
        )


def claim(folder: Path, config: AgentConfig, seed: int) -> None:
    """Keep what was told in the run folder, which is there.

    Raises
    ------
    ConfigError
        It is that of another training.
    """
    refuse_another(folder, config, seed)
    write_whole(folder / FILE, json.dumps(_run_record(config, seed), indent=1) + "\n")


def resumed(
    folder: Path, *, trust: bool = False, seed: int | None = None
) -> tuple[AgentConfig, Path, int]:
    """The configuration of a run, its folder and its seed; `seed` is what it is thought to be.

    Raises
    ------
    ConfigError
        No run, one that is damaged, of another seed, whose markets or functions have changed since, or without `trust`
        one that names functions: nothing that a folder names is run.
    """
    path = folder / FILE
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        raw.pop(MADE_OF, None)
        stored_seed = int(raw.pop("seed"))
    except OSError as error:
        raise ConfigError(
            "the folder of a training", f"{path}: {error.strerror}", "name one that was begun"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            "a training's configuration", f"{path}: {error}", "start it again elsewhere"
        ) from None
    refuse_if(
        seed is not None and seed != stored_seed,
        f"the seed of {folder}, which is {stored_seed}",
        f"seed {seed}",
        f"leave `seed=` out, or train seed {seed} in another folder",
    )
    config = parse(raw, str(path))
    refuse_if(
        config.own_code and not trust,
        "a word that the functions of the run may run",
        f"{path} names {' and '.join(config.own_code)}, and nothing that a folder names is run",
        f"if it is yours: tercel agent train `resume={folder}` `trust=True`",
    )
    return config, folder, stored_seed


def refuse_changed(folder: Path, config: AgentConfig) -> None:
    """Refuse to go on with a run whose markets, days or functions are no longer those that it began with.

    Raises
    ------
    ConfigError
    """
    before = json.loads((folder / FILE).read_text()).get(MADE_OF, {})
    found = next(changed_since(before, made_of(config)), None)
    refuse_if(
        found is not None,
        f"what {folder} was begun with",
        f"another now: {found}",
        "put back what it was, or train in another folder",
    )


def is_done(folder: Path) -> bool:
    """Whether the training in a folder has come to its end."""
    try:
        return (
            bool(json.loads((folder / RESULT).read_text())["done"])
            and (folder / POLICY / CARD).is_file()
        )
    except (OSError, ValueError, KeyError):
        return False


# -- guards ---------------------------------------------------------------------------------------
# Number of recipes tried before one was kept, by its configuration or by its sweep.


def variants_tried(config: AgentConfig) -> int:
    """Recipes tried before this one was kept, itself included: `guards.variants`, or more as `guards.sweep` has them.

    Raises
    ------
    ConfigError
        A sweep that is not there, and no number either.
    """
    section = config.guards
    if not section.sweep:
        return section.variants
    found = variants_in(Path(section.sweep))
    refuse_if(
        found is None and section.variants == 1,
        "the folder of a sweep as guards.sweep",
        f"{section.sweep}, without {SWEEP}",
        "name its folder, or say guards.variants",
    )
    return max(found or 1, section.variants)
