from tercel.market.dealers import requests as requests
from tercel.market.dealers.panel import DealerPanel as DealerPanel
from tercel.market.dealers.panel import load_panel as load_panel
from tercel.market.dealers.requests import Answers as Answers
from tercel.market.dealers.requests import RequestOutcome as RequestOutcome
from tercel.market.dealers.requests import State as State
from tercel.market.dealers.requests import request as request

__all__ = ["Answers", "DealerPanel", "RequestOutcome", "State", "load_panel", "request", "requests"]
