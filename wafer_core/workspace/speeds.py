"""The speed shelf: how long a wafer of a lot takes each model, as it was last timed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from wafer_core.workspace.shelf import Shelf


@dataclass(frozen=True)
class Speed:
    """What timing a model came to, one wafer at a time on one core.

    Args:
        milliseconds: a wafer, from die states to logits.
        wafers: how many were timed; the figure is that of the middle one.
        passes: over each of them; the median counts.
        cores: of the machine.
        measured: when, in seconds since 1970.
    """

    milliseconds: float
    wafers: int
    passes: int
    cores: int
    measured: float


class SpeedShelf(Shelf):
    """Speeds by lot and the sha256 of weights, the last measured of each: what a wafer takes follows from its grid."""

    def put_speed(self, lot: str, model: str, speed: Speed) -> None:
        """Keep what a lot's wafers took a model's weights, in the place of what they took before."""
        self.database.write(
            "INSERT OR REPLACE INTO speeds (lot, model, milliseconds, wafers, passes, cores, measured) "
            "VALUES (:lot, :model, :milliseconds, :wafers, :passes, :cores, :measured)",
            {"lot": lot, "model": bytes.fromhex(model), **asdict(speed)},
        )

    def speed(self, lot: str, model: str) -> Speed | None:
        """Return what a lot's wafers took a model's weights when last timed, or None where nobody has asked yet."""
        row = self.database.row(
            "SELECT milliseconds, wafers, passes, cores, measured FROM speeds WHERE lot = ? AND model = ?",
            (lot, bytes.fromhex(model)),
        )
        return None if row is None else Speed(**dict(row))
