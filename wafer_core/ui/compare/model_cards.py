"""A model's card as an engineer reads it: what it is, what it was made from, what it reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

import pandas as pd
import streamlit as st

from wafer_core.models.card import Figure
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.ui.shared import layout
from wafer_core.ui.shared.words import command, count, human_bytes, interval, percent, plain, score_text, steps
from wafer_core.verdicts_csv import inert


def card(model: ModelFile) -> None:
    """Draw the card of a model's folder: its files, its making and every figure on it."""
    st.table(_about(model), border="horizontal", alt=f"What {model.name} is and what it was made from")
    _chain(model)
    st.caption("**Files**, each a model of its own name with thresholds of its own")
    st.table(_files(model), border="horizontal", hide_index=True, alt=f"Weights files of {model.folder.name}")
    if model.card.figures:
        st.caption("**Measured**, as the card says; hold the command against it to repeat a figure")
        frame = pd.DataFrame([_figure(figure) for figure in model.card.figures])
        height = layout.table_height(frame)
        st.dataframe(frame, hide_index=True, height=height, alt=f"Figures of {model.folder.name}")
    else:
        st.caption("Its card holds no figures yet. Compare measures it on the shipped benchmark.")


def _about(model: ModelFile) -> dict[str, str]:
    made, entry = model.card.made_from, model.entry
    learnt = "; ".join(map(_learnt, made["data"]))
    about = {
        "Role": model.role,
        "Network": f"{model.card.architecture}, {count(entry.parameters, 'parameter')}",
        "Reads": f"maps of {model.card.size} x {model.card.size}, pass and fail",
        "Answers": "one of the 38 sets of MixedWM38" if model.card.decoder == "38" else "any set of patterns",
        "Made from": learnt or "not stated",
        "Training": f"{steps(made['steps'])}{_begun(made)}, seed {made['seed']}",
        "Command": command(made["command"]) or "not stated",
    }
    if made.get("teacher_sha256"):
        about["Teacher"] = f"weights `{made['teacher_sha256'][:12]}`"
    return about


def _chain(model: ModelFile) -> None:
    """Draw every run that led to the weights, oldest first; nothing where there is none but that of the card."""
    runs = model.card.runs_until(files_of(model.folder)[0].sha256)
    if len(runs) < 2:
        return
    in_all = steps(sum(run["steps"] for run in runs))
    st.caption(f"**Made in {len(runs)} runs**, {in_all} in all; each went on from the weights of the one before")
    alt = f"Runs that led to {model.folder.name}, oldest first"
    st.table(_runs(runs), border="horizontal", hide_index=True, alt=alt)


def _runs(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Run": f"{number}",
                "Command": command(run["command"]) or "not stated",
                "Steps": f"{run['steps']:,}",
                "Seed": f"{run['seed']}",
                "Weights": f"`{run['sha256'][:12]}`",
            }
            for number, run in enumerate(runs, 1)
        ]
    )


def _learnt(data: Mapping[str, Any]) -> str:
    """Return one line of what a model was made from; what is drawn as it trains has no number of maps."""
    maps = f", {count(data['maps'], 'map')}" if data["maps"] else ""
    return f"{plain(data['name'])}{maps}, {'labels read' if data['labels'] else 'no labels read'}"


def _begun(made: Mapping[str, Any]) -> str:
    """Return whose weights the steps went on from, by the name the command gives it; nothing for random ones."""
    sha256 = made.get("start_sha256")
    named = str(made["command"]).partition(" --start ")[2].split()
    return f" on from {plain(named[0]) if named else f'weights `{sha256[:12]}`'}" if sha256 else ""


def _files(model: ModelFile) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Name": plain(file.name),
                "File": file.file,
                "Engine": f"{file.engine}, {file.entry.precision}",
                "On disk": human_bytes(file.entry.bytes),
                "sha256": f"`{file.sha256[:12]}`",
            }
            for file in files_of(model.folder)
        ]
    )


def _figure(figure: Figure) -> dict[str, str]:
    return {
        # The table can be downloaded as it is, and anyone may have written the card.
        "file": inert(figure.file),
        "metric": inert(figure.metric),
        "value": _written(figure)(figure.value),
        "95 % interval": _interval(figure),
        "meant": _meant(figure),
        "wafers": f"{figure.n:,}",
        "set": inert(f"{figure.set} ({figure.split})"),
        "command": inert(figure.command),
    }


def _meant(figure: Figure) -> str:
    if figure.reach is None:
        return ""
    # A loss of nothing is reached where the interval holds zero.
    meant = _written(figure)(figure.reach) if figure.reach else "none that can be told"
    return f"{meant}: {'reached' if figure.reached else 'missed'}"


def _is_score(figure: Figure) -> bool:
    """Return whether a figure is an F1, which is no share of wafers and stands as a score on every page."""
    return "F1" in figure.metric


def _written(figure: Figure) -> Callable[[float], str]:
    digits = _digits(figure)
    return partial(score_text, digits=digits + 2) if _is_score(figure) else partial(percent, digits=digits)


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return interval(figure.low, figure.high, *([score_text] if _is_score(figure) else []))


def _digits(figure: Figure) -> int:
    """Return with how many decimals in percent a figure differs from what was meant, one at the least."""
    if figure.reach is None:
        return 1
    alike = (percent(figure.value, digits) == percent(figure.reach, digits) for digits in (1, 2))
    return 1 + sum(takewhile(bool, alike))
