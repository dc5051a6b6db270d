"""What pages quote of explanations stands in the docs, figure by figure."""

import re
import sys
from pathlib import Path

import pytest

from measurements.quoted import MODELS, _beside_chance, main
from wafer_core.trust.tally import Reached

DOCS = Path(__file__).parents[2] / "docs" / "explanations.md"


@pytest.fixture
def printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["quoted"])
    main()
    return capsys.readouterr().out


def test_the_docs_hold_what_is_kept_beside_the_cards_and_nothing_else(printed):
    tables = DOCS.read_text(encoding="utf-8").partition("### Real overlays")[2].partition("### Pairs of patterns")[0]
    told, kept = (re.findall(r"^\| `.*$", text, re.MULTILINE) for text in (tables, printed))
    assert told == kept
    assert all(f"| `{name}` |" in printed for name in MODELS)


@pytest.mark.parametrize(
    ("score", "n", "told"),
    [
        ("max-sensitivity", 20, "0.35 [1.40], 20 wafers"),
        ("max-sensitivity", 480, "0.35 [1.40]"),
        ("own/other", 480, "0.3"),
    ],
)
def test_a_figure_stands_beside_chance_and_says_where_it_rests_on_few_wafers(score, n, told):
    assert _beside_chance(Reached(score, None, None, 0.35, 0.3, 0.4, 1.4, n), most=500) == told
