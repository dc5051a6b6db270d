"""Bars of patterns as data that a page draws: how many wafers show each, how probable each is on one wafer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from wafer_core.charts import Role
from wafer_core.patterns import PATTERNS


class Bar(TypedDict):
    """One bar: how much of its track it fills, where a mark stands and where it ended before, 0 to 1, and its text."""

    role: Role
    share: float
    mark: NotRequired[float]
    before: NotRequired[float]
    quiet: bool
    text: str
    hint: str


class Row(TypedDict):
    """A pattern with its bars; `strong` says that its name counts."""

    name: str
    strong: bool
    bars: list[Bar]


def pattern_bars(counts: Mapping[Role, Mapping[str, int]]) -> list[Row]:
    """Return a row a pattern with a bar a model, in the order given, of `counts[role][pattern]` wafers."""
    patterns = list(dict.fromkeys(pattern for by_pattern in counts.values() for pattern in by_pattern))
    most = max((value for by_pattern in counts.values() for value in by_pattern.values()), default=0)
    return [
        Row(
            name=pattern,
            strong=False,
            bars=[
                Bar(
                    role=role,
                    share=by_pattern.get(pattern, 0) / max(1, most),
                    quiet=False,
                    text=f"{by_pattern.get(pattern, 0):,}",
                    hint=f"{pattern}: {by_pattern.get(pattern, 0):,} wafers, says the {role}",
                )
                for role, by_pattern in counts.items()
            ],
        )
        for pattern in patterns
    ]


def probability_bars(
    probabilities: Sequence[float],
    thresholds: Sequence[float],
    detected: Sequence[bool],
    role: Role,
    before: Sequence[float] | None = None,
) -> list[Row]:
    """Return one model's probability of every pattern against its threshold, in the order of `PATTERNS`.

    Patterns that it names carry its colour and a strong name; the others stay quiet. With the
    probabilities of `before` each bar says where it comes from.
    """
    told = zip(PATTERNS, probabilities, thresholds, detected, strict=True)
    rows = [
        Row(
            name=name,
            strong=bool(found),
            bars=[
                Bar(
                    role=role,
                    share=float(probability),
                    mark=float(threshold),
                    quiet=not found,
                    text=f"{probability:.2f}",
                    hint=f"{name}: probability {probability:.4f}, threshold {threshold:.4f}",
                )
            ],
        )
        for name, probability, threshold, found in told
    ]
    for row, earlier in zip(rows, [] if before is None else before, strict=False):
        (bar,) = row["bars"]
        now, then = bar["text"], f"{earlier:.2f}"
        bar["before"] = float(earlier)
        bar["text"] = now if now == then else f"{then} → {now}"
        bar["hint"] += f", before {earlier:.4f}"
    return rows
