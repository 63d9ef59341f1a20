"""What `tercel` finds here by the entry point group ``tercel.commands``."""

from studies.commands.agent_ablate import ablate
from studies.commands.agent_package import package
from studies.commands.agent_table import table as agent_table
from studies.commands.market_arbitrage import arbitrage
from studies.commands.market_calibrate import CalibrateWithFills
from studies.commands.market_facts import facts, sanity
from studies.commands.market_fills import fills
from studies.commands.market_impact import impact
from studies.commands.market_predict import predict
from studies.commands.market_response import response
from studies.commands.market_score import ScoreWithImpact
from studies.commands.market_table import table as market_table
from studies.commands.risk import (
    PostureOrStress,
    anomaly,
    correlation,
    precursors,
    regimes,
    tail,
    volatility,
)
from studies.commands.signals_explain import explain
from studies.commands.signals_leak import LeakWithReports
from studies.commands.signals_train import TrainWithAlpha
from studies.commands.trade_run import RunDeskWithExperiments
from tercel.cli import PluginCommands

COMMANDS = [
    PluginCommands(
        "market",
        (
            fills,
            predict,
            impact,
            market_table,
            facts,
            sanity,
            response,
            arbitrage,
            CalibrateWithFills,
            ScoreWithImpact,
        ),
    ),
    PluginCommands("agent", (ablate, agent_table, package)),
    PluginCommands("signals", (explain, TrainWithAlpha, LeakWithReports)),
    PluginCommands("trade", (RunDeskWithExperiments,)),
    PluginCommands(
        "risk", (volatility, correlation, tail, regimes, anomaly, precursors, PostureOrStress)
    ),
]
