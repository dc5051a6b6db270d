"""Model folders of networks that have learned nothing, for whatever needs a folder and no answer."""

from wafer_core.models.networks import build
from wafer_core.models.saving import save_model


def untrained_model(folder, architecture, calibration, network=None):
    """Write the folder of a network, a fresh one unless given, for maps as large as those; return its files."""
    return save_model(
        folder,
        network or build(architecture).eval(),
        name="Untrained",
        role="student",
        architecture=architecture,
        size=calibration.shape[-1],
        decoder="38",
        unsure_below=0.1,
        thresholds=(0.5,) * 8,
        calibration=calibration,
        made_from={"data": [], "seed": 0, "steps": 0, "command": "tests"},
    )
