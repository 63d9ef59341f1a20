from tercel.market.dealers import requests as requests
from tercel.market.dealers.panel import Panel as Panel
from tercel.market.dealers.panel import load_panel as load_panel
from tercel.market.dealers.requests import Answers as Answers
from tercel.market.dealers.requests import Outcome as Outcome
from tercel.market.dealers.requests import State as State
from tercel.market.dealers.requests import request as request

__all__ = ["Answers", "Outcome", "Panel", "State", "load_panel", "request", "requests"]
