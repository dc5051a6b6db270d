"""Distillation: canonical maps and a teacher in, a student out. Knows no Lot, no store and no label."""
