"""The speed shelf: how long a wafer takes each model, as it was last timed."""

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
    """Speeds by the sha256 of weights, the last measured of each."""

    def put_speed(self, model: str, speed: Speed) -> None:
        """Keep what a model's weights took, in the place of what they took before."""
        self.database.write(
            "INSERT OR REPLACE INTO speeds (model, milliseconds, wafers, passes, cores, measured) "
            "VALUES (:model, :milliseconds, :wafers, :passes, :cores, :measured)",
            {"model": bytes.fromhex(model), **asdict(speed)},
        )

    def speed(self, model: str) -> Speed | None:
        """Return what a model's weights took when they were last timed, or None where nobody has asked yet."""
        row = self.database.row(
            "SELECT milliseconds, wafers, passes, cores, measured FROM speeds WHERE model = ?", (bytes.fromhex(model),)
        )
        return None if row is None else Speed(**dict(row))
