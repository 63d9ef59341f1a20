from tercel.market.dealers.panel import Panel as Panel, load_panel as load_panel
from tercel.market.dealers.requests import (
    Answers as Answers,
    Outcome as Outcome,
    State as State,
    request as request,
)

__all__ = ["Answers", "Outcome", "Panel", "State", "load_panel", "request"]
