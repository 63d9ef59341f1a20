"""`tercel signals train --demo` trains the alpha model of the demo desk beside its own models."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tercel.cli import TrainSignals


@dataclass(frozen=True)
class TrainWithAlpha(TrainSignals):
    """What is asked of `tercel signals train`, with the alpha model of the demo desk beside it."""

    body: ClassVar[str] = "tercel.cli.signals:train"

    def train_extra(self, out: Path) -> tuple[dict[str, Any], Callable[[], None]]:
        """What is trained beside the models into the folder: its figures, and what shows them."""
        if not self.demo:
            return {}, lambda: None
        from studies.shipped.alpha import save_demo, show

        found = save_demo(self.seed, out / "alpha")
        return {"alpha": found}, lambda: show(found)
