"""What models are meant to reach, and the figures of a table as their cards hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from measurements.evaluation import Line, Table
from wafer_core.compare import Paired, Rate
from wafer_core.models.card import Card, Figure
from wafer_core.models.folder import ModelFile

ALARMS = "normal wafers called defective"
LOST, AT_MOST = "exact match lost to the teacher", "the same, at most (one-sided 95 %)"

REACHES: dict[tuple[str, str], float] = {
    ("resized", "macro-F1"): 0.93,
    ("resized", ALARMS): 0.01,
    ("normals re-gridded", ALARMS): 0.01,
    ("native", "macro-F1"): 0.92,
    ("overlays", "exact match"): 0.75,
}
"""What was meant for a set and a figure before any of them was measured."""

WITHIN: dict[str, float] = {
    "native, 10% of rows untested": 0.03,
    "native, 25% of rows untested": 0.06,
    "native, 40% of rows untested": 0.12,
}
"""By how much macro-F1 at native grids may fall where rows were not tested."""

LARGE = 5_000
"""Wafers from which on a student's loss is bounded; on fewer it is only to be nothing that can be told."""

MOST_LOST, MOST_AT_MOST = 0.003, 0.005


def keep_in_cards(table: Table, command: str) -> None:
    """Put a table's figures into the cards of its models, in place of older ones of the same part of the same sets.

    Args:
        table: what was measured; its first model is the teacher.
        command: what to repeat it with.
    """
    for folder in {model.folder for model in table.models}:
        card = Card.read(folder)
        ours = [number for number, model in enumerate(table.models) if model.folder == folder]
        found = [figure for number in ours for figure in figures(table, number, command)]
        told = {(figure.file, figure.set, figure.split) for figure in found}
        kept = [figure for figure in card.figures if (figure.file, figure.set, figure.split) not in told]
        replace(card, figures=(*kept, *found)).write(folder)


def figures(table: Table, number: int, command: str) -> Iterator[Figure]:
    """Give what a card says of one model of a table, the teacher being the first; reaches are of the test part."""
    model = table.models[number]
    native = next((found[number].value for line, found in table.rates.items() if _is_native(line)), None)
    for line, found in table.rates.items():
        rate = found[number]
        if rate.known:
            reach = _reach(line, native) if table.part == "test" else None
            met = None if reach is None else rate.value <= reach if line.metric == ALARMS else rate.value >= reach
            metric = line.metric if line.least == 1 else f"{line.metric} over patterns of {line.least} wafers or more"
            yield _figure(table, model, line.set, metric, rate, command, reach, met)
    for name, pairs in table.pairs.items():
        if number:
            yield from _lost(table, model, name, pairs[number - 1], command)


def _lost(table: Table, model: ModelFile, name: str, pair: Paired, command: str) -> Iterator[Figure]:
    """Give what a student loses to its teacher on a set; at most how much where the set is large."""
    judged, large = table.part == "test", pair.n >= LARGE
    reach = (MOST_LOST if large else 0.0) if judged else None
    met = (pair.loss.value <= MOST_LOST if large else pair.loss.low <= 0) if judged else None
    yield _figure(table, model, name, LOST, pair.loss, command, reach, met)
    if large:
        within = pair.upper <= MOST_AT_MOST if judged else None
        bound = _figure(table, model, name, AT_MOST, pair.loss, command, MOST_AT_MOST if judged else None, within)
        yield replace(bound, value=pair.upper, low=None, high=None)


def _is_native(line: Line) -> bool:
    return (line.set, line.metric) == ("native", "macro-F1")


def _reach(line: Line, native: float | None) -> float | None:
    if line.set in WITHIN and native is not None:
        return native - WITHIN[line.set]
    return REACHES.get((line.set, line.metric))


def _figure(
    table: Table,
    model: ModelFile,
    name: str,
    metric: str,
    rate: Rate,
    command: str,
    reach: float | None,
    reached: bool | None,
) -> Figure:
    return Figure(
        **_origin(table, model, name, command),
        metric=metric,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        n=rate.n,
        reach=reach,
        reached=reached,
    )


def _origin(table: Table, model: ModelFile, name: str, command: str) -> dict[str, str]:
    one = table.sets[name]
    return {
        "file": model.file,
        "set": one.title,
        "set_sha256": one.sha256,
        "split": "no test" if name.startswith("38 ") else table.part,
        "command": command,
    }
