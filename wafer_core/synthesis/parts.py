"""One pattern each: where a simulated defect makes dies fail, as a chance per die.

A part takes a disc and a random generator and returns float32 (rows, columns) chances in [0, 1]
that the defect itself makes a die fail. Shapes and sizes follow published descriptions of wafer
maps and what the 38 reference maps of MixedWM38 show to the eye.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wafer_core.synthesis.outline import Disc

Chances = NDArray[np.float32]


def centre(disc: Disc, random: Generator) -> Chances:
    """A filled spot near the middle, sharp or fading."""
    distance, angle = disc.around(*_near_middle(random, 0.13))
    size = random.uniform(0.09, 0.42)
    distance = distance * _wobble(angle, random, 0.05)
    if random.random() < 0.85:
        return _soft_below(distance, size, 0.4 * disc.pitch)
    fading: Chances = np.float32(random.uniform(0.7, 1.0)) * np.exp(-((distance / size) ** 2))
    return fading


def donut(disc: Disc, random: Generator) -> Chances:
    """A ring around the middle: a clean hole, a solid rim, frayed towards the outside."""
    distance, angle = disc.around(*_near_middle(random, 0.15))
    distance = distance * _wobble(angle, random, 0.05)
    hole = random.uniform(0.07, 0.4)
    solid, frayed = random.uniform(0.04, 0.18), random.uniform(0.05, 0.18)
    outside = np.clip((distance - hole - solid) / frayed, 0, None)
    ring = (1 - _soft_below(distance, hole, 0.4 * disc.pitch)) * np.exp(-(outside**2))
    if random.random() < 0.08:
        ring = ring * _arc(angle, random, 200, 330)
    frayed_ring: Chances = ring * np.float32(random.uniform(0.85, 1.0))
    return frayed_ring


def edge_ring(disc: Disc, random: Generator) -> Chances:
    """A band along the whole edge, one to four dies wide, its width changing on the way round."""
    return _edge_band(disc, random)


def edge_loc(disc: Disc, random: Generator) -> Chances:
    """A band along part of the edge, or a lobe that reaches inwards from it."""
    _, angle = disc.around(0.0, 0.0)
    if random.random() < 0.88:
        return _edge_band(disc, random) * _arc(angle, random, 35, 210)
    depth, direction = random.uniform(0.08, 0.3), random.uniform(-np.pi, np.pi)
    along = disc.right * np.float32(np.cos(direction)) + disc.down * np.float32(np.sin(direction))
    return _soft_below(1 - along, depth, 2 * disc.pitch) * np.float32(random.uniform(0.75, 1.0))


def loc(disc: Disc, random: Generator) -> Chances:
    """A ragged cluster off the middle: a core with sprays, often a fan that opens at the edge."""
    direction = random.uniform(-np.pi, np.pi)
    out = random.uniform(0.55, 0.95) if random.random() < 0.75 else random.uniform(0.3, 0.6)
    x, y = out * np.cos(direction), out * np.sin(direction)
    size = random.uniform(0.12, 0.3)
    chances = _spot(disc, random, x, y, size)
    for _ in range(random.integers(1, 5)):
        stray = random.normal(0, 0.75 * size, 2)
        chances = np.maximum(chances, _spot(disc, random, x + stray[0], y + stray[1], size * random.uniform(0.35, 0.8)))
    return chances * np.float32(random.uniform(0.7, 1.0))


def scratch(disc: Disc, random: Generator) -> Chances:
    """One thin curved line, sometimes two: along a chord of the wafer, or anywhere, where it may break."""
    chances = np.zeros(disc.shape, dtype=np.float32)
    for line in _lines(random):
        row, column = _cells(line, disc, random)
        chances[row, column] = 1.0
        if random.random() < 0.35:
            chances[row, np.minimum(column + 1, disc.shape[1] - 1)] = 1.0
    return chances * np.float32(random.uniform(0.85, 1.0))


def random_fails(disc: Disc, random: Generator) -> Chances:
    """Fails all over, more on some side."""
    rate = random.uniform(0.3, 0.65)
    field = random.random(disc.shape) + _slope(disc.shape, random, 0.25)
    fails: Chances = (field < np.quantile(field, rate)).astype(np.float32)
    return fails


def near_full(disc: Disc, random: Generator) -> Chances:
    """Nearly every die fails; sometimes one side or the middle still passes here and there."""
    rate = random.uniform(0.9, 1.0)
    chances = np.full(disc.shape, rate, dtype=np.float32)
    if random.random() < 0.4:
        distance, _ = disc.around(*_near_middle(random, 0.8))
        chances *= 1 - np.float32(random.uniform(0.2, 0.6)) * _soft_below(distance, random.uniform(0.1, 0.45), 0.15)
    return chances


PARTS: dict[str, Callable[[Disc, Generator], Chances]] = {
    "Center": centre,
    "Donut": donut,
    "Edge-Loc": edge_loc,
    "Edge-Ring": edge_ring,
    "Loc": loc,
    "Near-Full": near_full,
    "Scratch": scratch,
    "Random": random_fails,
}
"""The part that draws each pattern."""


def clears_inside(disc: Disc, chances: Chances) -> NDArray[np.bool_]:
    """Return the cells that a ring of `chances` encloses: a donut's hole keeps no background."""
    weight = chances.sum() + 1e-6
    x, y = float((chances * disc.right).sum() / weight), float((chances * disc.down).sum() / weight)
    distance, _ = disc.around(x, y)
    rim = distance[chances > 0.5]
    hole = float(np.quantile(rim, 0.03)) if rim.size else 0.0
    return distance < hole


def _near_middle(random: Generator, spread: float) -> tuple[float, float]:
    x, y = np.clip(random.normal(0, spread, 2), -2.2 * spread, 2.2 * spread)
    return float(x), float(y)


def _soft_below(distance: Chances, limit: float, softness: float) -> Chances:
    """One below `limit`, zero above, with a logistic step of the given width."""
    steps = np.clip((distance - limit) / max(softness, 1e-3) * 4, -30, 30)
    step: Chances = (1 / (1 + np.exp(steps))).astype(np.float32)
    return step


def _wobble(angle: Chances, random: Generator, most: float) -> Chances:
    """A factor around one that changes gently with the angle."""
    factor = np.ones_like(angle)
    for turns in (1, 2, 3):
        factor += np.float32(random.normal(0, most / 2)) * np.cos(turns * angle + np.float32(random.uniform(0, 6.3)))
    return np.clip(factor, 0.6, 1.6)


def _arc(angle: Chances, random: Generator, least: float, most: float) -> Chances:
    """One within an arc of random direction and width (in degrees), fading at its ends."""
    half = np.deg2rad(random.uniform(least, most)) / 2
    away = np.abs(np.angle(np.exp(1j * (angle - random.uniform(-np.pi, np.pi))))).astype(np.float32)
    return _soft_below(away, half, random.uniform(0.03, 0.25))


def _edge_band(disc: Disc, random: Generator) -> Chances:
    _, angle = disc.around(0.0, 0.0)
    width = disc.pitch * random.uniform(0.9, 2.0) if random.random() < 0.85 else random.uniform(0.05, 0.14)
    inwards = (1 - disc.radius) / _wobble(angle, random, 0.25)
    frayed = disc.pitch * random.uniform(0.2, 0.9)
    return _soft_below(inwards, width, frayed) * np.float32(random.uniform(0.75, 1.0))


def _spot(disc: Disc, random: Generator, x: float, y: float, size: float) -> Chances:
    """A filled ellipse with a frayed rim; it lies along the direction away from the middle."""
    turn = np.arctan2(y, x) + random.normal(0, 0.5)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    right, down = disc.right - np.float32(x), disc.down - np.float32(y)
    stretch = random.uniform(0.8, 2.0)
    along, across = (right * cos + down * sin) / stretch, -right * sin + down * cos
    distance = np.hypot(along, across)
    core = random.uniform(0.35, 0.8) * size
    return np.exp(-(np.clip((distance - core) / (0.6 * size), 0, None) ** 2)).astype(np.float32)


class Line(NamedTuple):
    """A curved line: heading (radians) and place of its middle, length, bend (radians a radius), broken or not."""

    heading: float
    right: float
    down: float
    length: float
    bend: float
    broken: bool


def _lines(random: Generator) -> list[Line]:
    """Return the lines of one scratch."""
    line = _chord(random) if random.random() < 0.65 else _stroke(random)
    chance = random.random()
    if chance < 0.1:
        return [line, _stroke(random)]
    return [line, _beside(line, random)] if chance < 0.3 else [line]


def _beside(line: Line, random: Generator) -> Line:
    """A second line that runs nearly the same way a few dies away, as on many scratched wafers of MixedWM38."""
    right, down = random.normal(0, 0.06, 2)
    return line._replace(heading=line.heading + random.normal(0, 0.12), right=line.right + right, down=line.down + down)


def _chord(random: Generator) -> Line:
    """A line that cuts a piece off the wafer, from edge to edge or nearly so: what MixedWM38 shows."""
    out, side = random.uniform(0.45, 0.85), random.uniform(-np.pi, np.pi)
    length = 2 * np.sqrt(1 - out**2) * random.uniform(0.8, 1.1)
    heading = side + np.pi / 2 + random.normal(0, 0.2)
    return Line(heading, out * np.cos(side), out * np.sin(side), length, random.normal(0, 0.5), broken=False)


def _stroke(random: Generator) -> Line:
    """A line anywhere on the wafer."""
    out, side = 0.8 * np.sqrt(random.random()), random.uniform(-np.pi, np.pi)
    return Line(
        heading=random.uniform(-np.pi, np.pi),
        right=out * np.cos(side),
        down=out * np.sin(side),
        length=random.uniform(0.7, 1.6),
        bend=random.normal(0, 0.7),
        broken=random.random() < 0.3,
    )


def _cells(line: Line, disc: Disc, random: Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of a line, one cell wide, with its breaks left out."""
    steps = np.arange(0, line.length, disc.pitch / 3)
    headings = line.heading + line.bend * (steps - line.length / 2) + 0.15 * np.sin(random.uniform(2, 8) * steps)
    right, down = (np.cumsum(turn(headings)) * disc.pitch / 3 for turn in (np.cos, np.sin))
    right, down = right - right.mean() + line.right, down - down.mean() + line.down
    kept = np.hypot(right, down) <= 1
    if line.broken:
        kept &= ~_breaks(len(steps), random)
    row = np.abs(disc.down[:, :1].T - down[kept, None].astype(np.float32)).argmin(axis=1)
    column = np.abs(disc.right[:1] - right[kept, None].astype(np.float32)).argmin(axis=1)
    return row, column


def _breaks(count: int, random: Generator) -> NDArray[np.bool_]:
    missing = np.zeros(count, dtype=bool)
    for start in random.integers(0, max(count, 1), random.integers(1, 4)):
        missing[start : start + random.integers(3, 12)] = True
    return missing


def _slope(shape: tuple[int, int], random: Generator, most: float) -> Chances:
    """A gentle tilt over a grid, so that some side fails more."""
    down, right = random.uniform(-most, most, 2)
    return (np.linspace(-down, down, shape[0])[:, None] + np.linspace(-right, right, shape[1])[None]).astype(np.float32)
