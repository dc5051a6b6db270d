"""What the guard set says of a student, as the pages word it."""

from __future__ import annotations

from wafer_core.compare.guard import ALLOWED_LOSS, Judgement
from wafer_core.ui.compare.before_after import Guarded
from wafer_core.ui.shared.words import in_points, plain

SIGNS: dict[Judgement, str] = {"kept": ":material/verified:", "open": ":material/help:", "lost": ":material/warning:"}
WORDS: dict[Judgement, str] = {"kept": "kept", "open": "may have lost too much", "lost": "lost too much"}


def line(one: Guarded) -> str:
    """Return a list's entry: the judgement, and under it the points lost with their one-sided 95 % bound."""
    loss, most = in_points(one.against.loss.value, 2), in_points(one.against.upper, 2)
    return f"{SIGNS[one.judgement]} {WORDS[one.judgement]}  \n:small[:gray[lost {loss} points, at most {most}]]"


def guard_sentence(one: Guarded) -> str:
    """Return what the guard set says of a student: what it lost to the shipped one, and what chance leaves open."""
    loss, most, allowed = 100 * one.against.loss.value, 100 * max(one.against.upper, 0.0), 100 * ALLOWED_LOSS
    who = "its int8 file" if one.file.entry.precision == "int8" else "it"
    fewer = f"{abs(loss):.2f} points {'fewer' if loss > 0 else 'more'} wafers exactly than" if loss else "as many as"
    ending = {
        "kept": f"A loss above {most:.2f} points is ruled out at 95 %; {allowed:.1f} are allowed.",
        "open": f"{allowed:.1f} are allowed; a loss of up to {most:.2f} is not ruled out at 95 %.",
        "lost": f"That is more than the {allowed:.1f} allowed; a loss of up to {most:.2f} is not ruled out at 95 %.",
    }
    verdict = WORDS[one.judgement].capitalize()
    wafers = f"on the guard set ({one.against.n:,} labelled wafers)"
    names = f"{who} names {fewer} the shipped {plain(one.shipped.name)} does"
    return f"{verdict}: {wafers} {names}. {ending[one.judgement]}"
