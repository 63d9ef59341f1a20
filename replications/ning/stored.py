"""Learned networks: small ONNX files, three of a kind, and what they were learned from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from replications.ning.study import SEEDS
from replications.ning.world import OBSERVED
from tercel.core import PolicyError
from tercel.execution.policies import MlpPolicy, from_onnx, to_onnx

FOLDER: Final = Path(__file__).parent / "policies"
KINDS: Final = ("mid", "take", "walk")
"""Learned at the mid as published; by taking on the tape; at the mid on random walks."""


@dataclass(frozen=True)
class Origin:
    """What networks were learned from.

    Parameters
    ----------
    symbol, shares : str, int
    days : tuple of str
    sd_bps : float
        Standard deviation of the training hours' move: of the random walks as well.
    walks : tuple of int
        Days and hours a day of the random walks.
    """

    symbol: str
    shares: int
    days: tuple[str, ...]
    sd_bps: float
    walks: tuple[int, int]


def keep(folder: Path, kind: str, seed: int, symbol: str, policy: MlpPolicy) -> None:
    """Write a network."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{symbol}-{kind}-{seed}.onnx").write_bytes(to_onnx(policy))


def keep_origin(folder: Path, origin: Origin) -> None:
    """Write what all of a symbol's were learned from; last, as it makes them valid."""
    (folder / f"{origin.symbol}.json").write_text(
        json.dumps(asdict(origin), indent=1) + "\n", encoding="utf-8"
    )


def kept(folder: Path, symbol: str) -> tuple[Origin, dict[str, list[MlpPolicy]]]:
    """A symbol's networks by kind, one a training seed.

    Raises
    ------
    PolicyError
        There are none, or none of ours.
    """
    try:
        raw = json.loads((folder / f"{symbol}.json").read_text(encoding="utf-8"))
        origin = Origin(
            str(raw["symbol"]), int(raw["shares"]), tuple(map(str, raw["days"])), float(raw["sd_bps"]),
            (int(raw["walks"][0]), int(raw["walks"][1])),
        )  # fmt: skip
        files = {
            kind: [folder / f"{symbol}-{kind}-{seed}.onnx" for seed in SEEDS] for kind in KINDS
        }
        loaded = {
            kind: [from_onnx(path.read_bytes()) for path in paths] for kind, paths in files.items()
        }
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "none"
        raise PolicyError(
            f"networks learned for {symbol}",
            f"no {error.filename}; there are {known}",
            "learn them with --train",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise PolicyError(
            "learned networks", f"{folder}: {error}", "learn them again with --train"
        ) from error
    ours: dict[str, list[MlpPolicy]] = {}
    for kind, policies in loaded.items():
        ours[kind] = [
            p for p in policies if isinstance(p, MlpPolicy) and p.observation_size == len(OBSERVED)
        ]
        if len(ours[kind]) != len(SEEDS):
            raise PolicyError(
                f"networks that see {len(OBSERVED)} entries", f"others in {folder}", "use --train"
            )
    return origin, ours
