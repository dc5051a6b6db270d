"""How right every shipped model is on one part of WM-811K's split, on overlays of it and on simulated wafers.

python -m measurements.accuracy --data DATA [--part validation|test]

DATA holds `wm811k/`; where it holds `mixedwm38/reference_38.npz` too, a row says how many of those 38
development maps are named exactly. They are no test: the simulator was tuned by looking at them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from wafer_core.canonical import canonical_states
from wafer_core.decode import decode
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.recognise import load_recognizer
from wafer_core.training.validation import Examples, examples, figures

SHOWN = ("exact", "macro F1", "macro F1 (10+)", "false alarms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--models", nargs="+", default=["teacher", "student", "student-int8"])
    options = parser.parse_args()
    models = [resolve(name) for name in options.models]
    sets = examples(options.data, options.part, models[0].card.size)
    sets += _reference(options.data, models[0].card.size)
    print(f"{'set':20s} {'n':>5s} {'model':14s} {'decoder':8s} " + " ".join(f"{name:>15s}" for name in SHOWN))
    for model in models:
        for one in sets:
            _print(model, one)


def _print(model: ModelFile, one: Examples) -> None:
    logits = load_recognizer(model).score_maps(one.maps.astype(np.float32)).logits
    decoder = one.decoder if one.decoder == "38" else model.card.decoder
    found = figures(one, logits, model.entry.thresholds, decoder)
    wrong = decode(logits, model.entry.thresholds, decoder).detected != one.labels
    shown = " ".join(
        f"{found[name]:15.4f}" if np.isfinite(found.get(name, np.nan)) else f"{'-':>15s}" for name in SHOWN
    )
    several = one.labels.sum(axis=1) >= 2
    mixed = f"  exact with two or more patterns {1 - wrong[several].any(axis=1).mean():.4f}" if several.any() else ""
    print(f"{one.name:20s} {len(one.labels):5d} {model.name:14s} {decoder:8s} {shown}{mixed}", flush=True)


def _reference(data: Path, size: int) -> list[Examples]:
    path = data / "mixedwm38" / "reference_38.npz"
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as file:
        states, labels = np.where(file["arr_0"] == 3, 2, file["arr_0"]).astype(np.uint8), file["arr_1"].astype(bool)
    return [Examples("38 development maps", canonical_states(states, size).astype(np.float16), labels, "38")]


if __name__ == "__main__":
    main()
