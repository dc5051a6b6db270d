"""Distillation: canonical maps and a teacher in, a student out. Knows no Lot, no store and no label."""

from wafer_core.distill.loop import Draw, Progress, Recipe, distil
from wafer_core.distill.settings import Settings
from wafer_core.distill.sources import LotAndReplay, held_out

__all__ = ["Draw", "LotAndReplay", "Progress", "Recipe", "Settings", "distil", "held_out"]
