"""Distillation: canonical maps and a teacher in, a student out. Knows no Lot, no store and no label."""

from wafer_core.distill.lesson import Draw, Recipe, rehearsal
from wafer_core.distill.loop import Look, Progress, distil
from wafer_core.distill.loss import USUAL, DistillationLoss
from wafer_core.distill.settings import Settings
from wafer_core.distill.sources import LotAndReplay, Replay

__all__ = [
    "USUAL",
    "DistillationLoss",
    "Draw",
    "Look",
    "LotAndReplay",
    "Progress",
    "Recipe",
    "Replay",
    "Settings",
    "distil",
    "rehearsal",
]
