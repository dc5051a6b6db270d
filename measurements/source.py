"""Can the file a wafer came from be told by its embedding: `python -m measurements.source --data DATA`.

Many native wafers of WM-811K stand in the 64x64 file too, resized by somebody else. A linear probe
learns on those of the train part which of the two a wafer's embedding is of, and is asked about
wafers of the validation part. One half means that grid and resampling leave no trace which a model
could take for a label; it is printed beside the same probe on the canonical maps themselves.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from measurements.timing import say, table
from wafer_core.canonical import canonical_states
from wafer_core.models.folder import resolve
from wafer_core.recognise import Recognizer, load_recognizer

Pairs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What the probe sees of the same wafers at their native grids and resized, (n, features) each."""


def main() -> None:
    """Fit and ask one probe a model and print how often it tells the source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--models", nargs="+", default=["teacher-onnx", "student-onnx"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.models:
        say(f"{name} ...")
        recognizer = load_recognizer(resolve(name), options.threads)
        size = recognizer.model.card.size
        twins = {part: _twins(options.data, part, size) for part in ("train", "validation")}
        embedded = {part: _embedded(recognizer, pairs) for part, pairs in twins.items()}
        flat = {part: _flat(pairs) for part, pairs in twins.items()}
        for what, seen in (("embedding", embedded), ("canonical map", flat)):
            told = told_apart(seen["train"], seen["validation"])
            rows.append([name, what, len(flat["validation"][0]), f"{100 * told:.1f} %"])
    table(rows, ["model", "seen by the probe", "wafers asked about, twice each", "source told rightly"])


def told_apart(known: Pairs, asked: Pairs, steps: int = 400) -> float:
    """Fit a linear probe on pairs and return the share of other pairs' halves that it sorts rightly, in [0, 1]."""
    seen, source = _stacked(known)
    centre, spread = seen.mean(dim=0), seen.std(dim=0) + 1e-6
    torch.manual_seed(0)
    probe = nn.Linear(seen.shape[1], 1)
    optimiser = torch.optim.AdamW(probe.parameters(), lr=0.02, weight_decay=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(probe((seen - centre) / spread)[:, 0], source)
        torch.autograd.backward(loss)
        optimiser.step()
    others, truth = _stacked(asked)
    with torch.no_grad():
        said = probe((others - centre) / spread)[:, 0] > 0
    return float((said == truth.bool()).float().mean())


def _stacked(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    native, resized = (torch.from_numpy(half) for half in pairs)
    return torch.cat([native, resized]), torch.cat([torch.zeros(len(native)), torch.ones(len(resized))])


def _embedded(recognizer: Recognizer, pairs: Pairs) -> Pairs:
    native, resized = pairs
    return recognizer.score_maps(native).embedding, recognizer.score_maps(resized).embedding


def _flat(pairs: Pairs) -> Pairs:
    native, resized = (half.reshape(len(half), -1) for half in pairs)
    return native, resized


def _twins(data: Path, part: str, size: int) -> Pairs:
    """Return canonical maps (n, 2, S, S) of the same wafers, native and resized."""
    with (data / "wm811k" / "splits.csv").open(newline="") as lines:
        rows = [
            (int(row["row"]), int(row["twin_row_in_maps_64x64"]))
            for row in csv.DictReader(lines)
            if row["file"] == "maps_native" and row["part"] == part and row["twin_row_in_maps_64x64"]
        ]
    with np.load(data / "wm811k" / "maps_native.npz", allow_pickle=False) as file:
        dies, shapes = file["dies"], file["shape"].astype(int)
    ends = np.cumsum(shapes.prod(axis=1))
    native = [dies[ends[i] - shapes[i].prod() : ends[i]].reshape(1, *shapes[i]) for i, _ in rows]
    with np.load(data / "wm811k" / "maps_64x64.npz", allow_pickle=False) as file:
        resized = file["maps"][[twin for _, twin in rows]]
    return np.concatenate([canonical_states(states, size) for states in native]), canonical_states(resized, size)


if __name__ == "__main__":
    main()
