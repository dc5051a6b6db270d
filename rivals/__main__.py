"""Train one method: `python -m rivals METHOD --data DATA --out DIR [--seed N] [--steps N]`.

A killed run goes on from its checkpoint. `python -m measurements.table --rivals DIR` shows what was
trained beside the shipped models.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rivals.methods import METHODS, Setting, learn
from rivals.shelf import Made, Rival, put
from wafer_core.decode import logit, match_thresholds
from wafer_core.distill_shipped import called_by
from wafer_core.models.folder import resolve
from wafer_core.models.learning import pick_device
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls
from wafer_core.synthesis.shares import BLEMISHED, TEACHING
from wafer_core.training.data import unlabelled_maps
from wafer_core.training.ordinary import decided_maps
from wafer_core.training.teacher import CHOOSING
from wafer_core.training.validation import choose_thresholds, examples


def main() -> None:
    """Train, choose thresholds the way the method may, and write the rival."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument("--out", type=Path, required=True, help="the folder of trained rivals")
    parser.add_argument("--teacher", default="teacher")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blemished", type=float, default=TEACHING.blemished, help=BLEMISHED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train_rival(options)


def train_rival(options: argparse.Namespace) -> None:
    """Train the method that the options name."""
    method, teacher = METHODS[options.method], resolve(options.teacher)
    device = pick_device()
    teaching = load_network(teacher).to(device)
    setting = Setting(
        options.data,
        teaching,
        teacher.card.size,
        device,
        torch.from_numpy(logit(teacher.entry.thresholds)).float(),
        lambda: called_by(teacher, teaching, unlabelled_maps(options.data, "train").states),
        options.steps,
        options.seed,
        options.workers,
        blemished=options.blemished,
        report=lambda step: print(f"{options.method}: step {step} of {options.steps}", flush=True),
    )
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / f"{options.method}-{options.seed}.checkpoint"
    network = learn(method, setting, checkpoint)
    unchosen = Made(
        options.method,
        options.seed,
        options.steps,
        setting.size,
        teacher.card.decoder,
        (0.5,) * 8,
        teacher.sha256,
        options.blemished,
    )
    rival = Rival(unchosen, network)
    cuts = _chosen_on_labels(options, rival) if method.reads_labels else _matched(options, rival, setting)
    put(options.out, Rival(Made(**{**vars(unchosen), "thresholds": cuts}), network))
    checkpoint.unlink(missing_ok=True)
    print(f"{rival.name} is in {options.out}.")


def _chosen_on_labels(options: argparse.Namespace, rival: Rival) -> tuple[float, ...]:
    sets = [one for one in examples(options.data, "validation", rival.made.size) if one.name in CHOOSING]
    return choose_thresholds([(rival.logits(one.maps.astype(np.float32)), one.labels) for one in sets])


def _matched(options: argparse.Namespace, rival: Rival, setting: Setting) -> tuple[float, ...]:
    """Return thresholds at which a rival that saw no label decides most like its teacher."""
    called = partial(network_calls, resolve(options.teacher), setting.teacher)
    maps, decided = decided_maps(options.data, setting.size, called)
    return match_thresholds(decided, rival.logits(maps))


if __name__ == "__main__":
    main()
