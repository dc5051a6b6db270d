"""How rightly one could point on overlays: `python -m measurements.ceiling --data DATA --part test`.

An observer is taught what no explanation is told: which failing dies one wafer alone brought, on
overlays of train wafers. It sees the map and all that the model's explanations say, and names one
die a pattern on the overlays that `measurements.explanations` reports. What it reaches in the
strict pointing game is what the map and the model together are known to tell about it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from measurements.timing import say, table
from wafer_core.decode import decode_with
from wafer_core.explain import DEFAULT, attribute
from wafer_core.lot import NO_DIE
from wafer_core.models.folder import resolve
from wafer_core.recognise import Recognizer, load_recognizer
from wafer_core.training.data import Part, resized_maps
from wafer_core.trust.regions import Constructed, real_overlays, single_patterns
from wafer_core.trust.scores import pointing
from wafer_core.trust.tally import reached
from wafer_core.trust.trial import Item
from wafer_core.trust.trial import Part as Share

DEFAULT_ROW = 2
"""Where in what is seen the default method's credit lies."""

BATCH, RATE = 32, 4e-3


class Asked(NamedTuple):
    """Patterns that count and are called, one a row.

    Args:
        seen: float32 (n, 6, rows, columns): failing dies, dies, and the model's explanations, each
            over its largest value: the default method's of the pattern and of the strongest other
            one called, Grad-CAM's likewise.
        regions: bool (n, rows, columns) the pattern's own dies.
        evenly: (n,) what picking one of the dies that its wafer brought reaches.
        wafers: (n,) which overlay each is of.
        patterns: (n,) the columns of `PATTERNS`.
    """

    seen: NDArray[np.float32]
    regions: NDArray[np.bool_]
    evenly: NDArray[np.float64]
    wafers: NDArray[np.int64]
    patterns: NDArray[np.int64]


def main() -> None:
    """Teach the observer on train wafers and let it point on another part's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--part", choices=get_args(Part), default="validation", help="whose overlays are reported")
    parser.add_argument("--model", default="teacher", help="whose explanations it sees")
    parser.add_argument("--taught", type=int, default=6000, help="overlays of train wafers")
    parser.add_argument("--wafers", type=int, default=500)
    parser.add_argument("--seed", type=int, default=4, help="of the overlays that are reported")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recognizer = load_recognizer(resolve(options.model), options.threads)
    say(f"{options.taught} overlays of train wafers")
    known = asked_about(recognizer, _overlays(options.data, "train", options.taught, options.seed + 1))
    say(f"{options.steps} steps on {len(known.seen)} patterns")
    observer = taught(known, options.steps)
    asked = asked_about(recognizer, _overlays(options.data, options.part, options.wafers, options.seed))
    rows = {
        "the default method": _pointed(asked.seen[:, DEFAULT_ROW], asked),
        "picking evenly among the dies its wafer brought": asked.evenly,
        "the observer": _pointed(seen_by(observer, asked.seen), asked),
    }
    table([(name, _with_interval(hits, asked)) for name, hits in rows.items()], head=("who points", "rightly"))


def _overlays(data: Path, part: Part, count: int, seed: int) -> list[Constructed]:
    maps = resized_maps(data, part)
    return real_overlays(single_patterns(maps.states, maps.labels), count, seed)


def asked_about(recognizer: Recognizer, overlays: Sequence[Constructed]) -> Asked:
    """Explain a model wherever it calls what counts, and keep what an observer may see beside the truth."""
    called = decode_with(recognizer.model, recognizer.score([made.wafer for made in overlays]).logits).detected
    seen, regions, evenly, wafers, patterns = [], [], [], [], []
    for number, made in enumerate(overlays):
        named = np.flatnonzero(called[number]).tolist()
        if not set(named) & set(made.patterns):
            continue
        said = [attribute(recognizer, made.wafer, method, named) for method in (DEFAULT, "gradcam")]
        for i, k in enumerate(named):
            if k in made.patterns:
                seen.append(np.stack([made.failing, made.wafer.states != NO_DIE, *_own_and_others(said, i)]))
                regions.append(made.regions[k])
                evenly.append(made.regions[k][made.brought[k]].mean())
                wafers.append(number)
                patterns.append(k)
    truth = (np.array(each) for each in (regions, evenly, wafers, patterns))
    return Asked(np.array(seen, dtype=np.float32), *truth)


def _own_and_others(said: Sequence[NDArray[np.float32]], i: int) -> list[NDArray[np.float32]]:
    """Return what each method says for one pattern and for the strongest other one called."""
    found = []
    for credit in said:
        others = np.delete(credit, i, axis=0).max(axis=0, initial=0.0)
        found += [each / max(float(np.abs(each).max()), 1e-6) for each in (credit[i], others)]
    return found


def taught(known: Asked, steps: int) -> nn.Module:
    """Return a network that was taught which failing dies are a pattern's own."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    observer = Observer(known.seen.shape[1])
    optimiser = torch.optim.AdamW(observer.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step in range(steps):
        rows = random.integers(len(known.seen), size=BATCH)
        turns, mirrored = int(random.integers(4)), bool(random.integers(2))
        seen, own = (_turned(each[rows], turns, mirrored) for each in (known.seen, known.regions))
        failing = seen[:, 0] > 0
        loss = nn.functional.binary_cross_entropy_with_logits(observer(seen)[failing], own[failing].float())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            say(f"step {step + 1} of {steps}")
    return observer.eval()


def seen_by(observer: nn.Module, seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how surely the observer takes each die for the pattern's own, as logits (n, rows, columns)."""
    with torch.no_grad():
        parts = [torch.from_numpy(seen[start : start + 64]) for start in range(0, len(seen), 64)]
        return np.concatenate([observer(part).numpy() for part in parts])


class Observer(nn.Module):
    """A small U-Net (Ronneberger et al. 2015, arXiv 1505.04597): (n, channels, rows, columns) to a logit a die.

    Rows and columns are multiples of 8.
    """

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        wide = (width, 2 * width, 4 * width, 4 * width)
        self.down = nn.ModuleList(
            _block(before, after) for before, after in zip((channels, *wide[:-1]), wide, strict=True)
        )
        self.up = nn.ModuleList(
            _block(below + beside, beside) for below, beside in zip(wide[:0:-1], wide[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """Return logits (n, rows, columns)."""
        levels: list[Tensor] = []
        here = seen
        for block in self.down:
            here = block(nn.functional.max_pool2d(here, 2) if levels else here)
            levels.append(here)
        for block, beside in zip(self.up, levels[-2::-1], strict=True):
            here = block(torch.cat([nn.functional.interpolate(here, scale_factor=2.0), beside], dim=1))
        logits: Tensor = self.last(here)[:, 0]
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def _turned(grids: NDArray[np.float32] | NDArray[np.bool_], turns: int, mirrored: bool) -> Tensor:
    """Return grids (n, ..., rows, columns) turned by quarters, and mirrored if asked."""
    turned = np.rot90(grids, turns, axes=(-2, -1))
    return torch.from_numpy(np.ascontiguousarray(turned[..., ::-1] if mirrored else turned))


def _pointed(credit: NDArray[np.float32], asked: Asked) -> NDArray[np.float64]:
    """Return whether each pattern's most credited failing die is its own, (n,)."""
    failing = asked.seen[:, 0] > 0
    rows = zip(credit, asked.regions, failing, strict=True)
    return np.array([pointing(dies[fails], own[fails]) for dies, own, fails in rows])


def _with_interval(hits: NDArray[np.float64], asked: Asked) -> str:
    """Return the share of hits with the 95 % interval that explanations are reported with."""
    rows = zip(asked.wafers.tolist(), asked.patterns.tolist(), hits.tolist(), strict=True)
    pooled = reached([Item(wafer, k, {"pointing": Share(hit, 1.0, 0.0)}) for wafer, k, hit in rows], pairs=False)[0]
    return f"{pooled.value:.3f} [{pooled.low:.3f} to {pooled.high:.3f}; n {len(hits)}]"


if __name__ == "__main__":
    main()
