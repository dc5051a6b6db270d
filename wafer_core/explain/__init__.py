"""Attributions per pattern on a wafer's own dies: which dies made a model say what it said.

Nothing here imports torch until a gradient method is asked for, so an ONNX model is explained
without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnsupportedMethod, UsageError
from wafer_core.explain.neighbourhood import summed_nearby
from wafer_core.explain.occlusion import occlude
from wafer_core.lot import FAIL, NO_DIE, Wafer
from wafer_core.patterns import PATTERNS

if TYPE_CHECKING:
    from wafer_core.models.folder import ModelFile
    from wafer_core.recognise import Recognizer

TITLES: dict[str, str] = {
    "focused-deeplift": "Focused DeepLift",
    "deeplift": "DeepLift",
    "integrated-gradients": "Integrated Gradients",
    "gradcam": "Grad-CAM",
    "occlusion": "Occlusion",
}
"""What each method is called on the screen."""

MEANINGS: dict[str, str] = {
    "focused-deeplift": "failing dies where the model reads the pattern, weighted by how much each moved the answer",
    "deeplift": "compared with the same wafer, every failing die passing; the dies add up to the whole difference",
    "integrated-gradients": "the same comparison, averaged over steps from the healthy wafer to this one",
    "gradcam": "where the last feature grid holds evidence; coarse, and over passing dies too",
    "occlusion": "what the answer loses when failing dies pass, a few neighbours at a time; works for every model",
}
"""What each method shows, in the engineer's words."""

METHODS: tuple[str, ...] = tuple(TITLES)
DEFAULT = "focused-deeplift"
GRADIENT_METHODS: tuple[str, ...] = METHODS[:-1]
"""The methods that need a torch network; occlusion needs nothing but answers."""


def methods_for(model: ModelFile) -> tuple[str, ...]:
    """Return the methods that can explain `model`, the one to show first in front."""
    return METHODS if model.engine == "torch" else ("occlusion",)


def check_method(model: ModelFile, method: str) -> None:
    """Find out before the work begins whether `method` can explain `model`.

    Raises:
        UsageError: there is no such method.
        UnsupportedMethod: the method needs gradients and the model is an ONNX file.
    """
    if method not in METHODS:
        raise UsageError(f"{method!r} is no explanation method; the methods are {', '.join(METHODS)}.")
    if method not in methods_for(model):
        raise UnsupportedMethod(
            f"{TITLES[method]} needs gradients, which {model.name} as an ONNX file does not give; "
            "explain it with occlusion."
        )


def attribute(recognizer: Recognizer, wafer: Wafer, method: str, patterns: Sequence[int]) -> NDArray[np.float32]:
    """Return how much each die spoke for each pattern, in logits.

    DeepLift and Integrated Gradients compare with the same wafer, every failing die passing:
    their dies sum to logit(wafer) - logit(that healthy wafer). Grad-CAM spreads the last feature
    grid's evidence over all dies below it. Focused DeepLift asks the one which place speaks and the
    other which of its dies: Grad-CAM's evidence without the steps between cells
    (`neighbourhood.averaged_around`), less a share of that for other patterns there
    (`neighbourhood.contested`), carried by the failing dies that DeepLift credits
    (`neighbourhood.placed`). Occlusion asks what the logit loses when a failing die and the failing
    dies around it pass, and credits each die with what its neighbourhood lost
    (`neighbourhood.summed_nearby`). All but Grad-CAM credit failing dies only. One call at a time a
    model: gradient methods hang hooks on its network while they run.

    Args:
        recognizer: the model to explain.
        wafer: the wafer it answered on.
        method: one of `METHODS`.
        patterns: columns of `PATTERNS` to explain, any number and order.

    Returns:
        float32 (len(patterns), rows, columns) at the wafer's own grid; positive speaks for the
        pattern, zero where there is no die.

    Raises:
        UsageError: there is no such method.
        UnsupportedMethod: the method needs gradients and the model is an ONNX file.
        ValueError: a pattern lies outside 0..7.
    """
    check_method(recognizer.model, method)
    if outside := [pattern for pattern in patterns if not 0 <= pattern < len(PATTERNS)]:
        raise ValueError(f"patterns are columns 0 to {len(PATTERNS) - 1}, not {outside}")
    if not len(patterns):
        return np.zeros((0, *wafer.frame.shape), dtype=np.float32)
    credit = _credit(recognizer, wafer, method, list(patterns))
    credit[:, wafer.states == NO_DIE] = 0.0
    return credit


def _credit(recognizer: Recognizer, wafer: Wafer, method: str, patterns: list[int]) -> NDArray[np.float32]:
    size = recognizer.model.card.size
    if method not in GRADIENT_METHODS:
        lost = occlude(lambda maps: recognizer.score_maps(maps).logits, wafer.states, size, patterns)
        return summed_nearby(lost, wafer.states == FAIL)
    from wafer_core.explain.gradients import explain_network

    # `check_method` has let only trained weights come so far.
    assert recognizer.network is not None
    return explain_network(recognizer.network, wafer.states, size, method, patterns)
