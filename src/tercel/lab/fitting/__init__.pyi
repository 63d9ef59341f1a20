from tercel.lab.fitting.blocks import DayBlock as DayBlock
from tercel.lab.fitting.blocks import BlockCosts as BlockCosts
from tercel.lab.fitting.blocks import blocks_of as blocks_of
from tercel.lab.fitting.blocks import judge_block as judge_block
from tercel.lab.fitting.gains import StageGain as StageGain
from tercel.lab.fitting.gains import kept_stage as kept_stage
from tercel.lab.fitting.gains import stage_gains as stage_gains

__all__ = [
    "BlockCosts",
    "DayBlock",
    "StageGain",
    "blocks_of",
    "judge_block",
    "kept_stage",
    "stage_gains",
]
