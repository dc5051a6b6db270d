"""Text columns to whole numbers, with a verdict on every value that is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WHOLE, BLANK, FRACTION, OTHER, PASSES, FAILS = range(6)
"""What a text turned out to be; `PASSES` and `FAILS` are words such as P, GOOD, F, BAD."""

BLANKS = frozenset({"", ".", "-", "_", "__", "--", "*", "nan", "na", "n/a", "null", "none", "#n/a"})
_PASS_WORDS = frozenset({"pass", "passed", "p", "good", "g", "ok", "true", "t", "yes", "y"})
_FAIL_WORDS = frozenset({"fail", "failed", "f", "bad", "b", "ng", "reject", "false", "no", "n"})
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_MOST = 2**31 - 2


def unwrapped(text: str) -> str:
    """Return a text without blanks around it, and without the `="..."` in which spreadsheets keep text as it is."""
    text = text.strip()
    return text[2:-1].strip() if text.startswith('="') and text.endswith('"') and len(text) > 2 else text


def id_of(text: str) -> str:
    """Return an id; empty where the text says that there is none."""
    found = unwrapped(text)
    return "" if found.lower() in BLANKS else found


def parse(texts: Sequence[str], thousands: bool = False) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the numbers of a column, int64 (n,), and what each text was, uint8 (n,).

    A number is 0 wherever its text was not whole. Where there may be `thousands`, a `1,000` beside a `1` is a
    `FRACTION`: nobody can say whether it is a thousand or a one.
    """
    kinds = np.full(len(texts), WHOLE, dtype=np.uint8)
    try:
        if "_" in "".join(texts):
            raise ValueError("of 1_0 Python makes 10")
        numbers = np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        # One odd value sends the column through the careful way, a text at a time but each text once.
        known: dict[str, tuple[int, int]] = {}
        pairs = [known.get(text) or known.setdefault(text, _parse(text)) for text in texts]
        numbers = np.array([number for number, _ in pairs], dtype=np.int64)
        kinds = np.array([kind for _, kind in pairs], dtype=np.uint8)
        if thousands and any(unwrapped(text).isdecimal() for text in known):
            grouped = {text for text in known if _GROUPED.fullmatch(unwrapped(text))}
            kinds[[text in grouped for text in texts]] = FRACTION
    far = (numbers > _MOST) | (numbers < -_MOST)
    kinds[far] = OTHER
    numbers[far] = 0
    return numbers, kinds


def _parse(text: str) -> tuple[int, int]:
    word = unwrapped(text).lower()
    if word in BLANKS:
        return 0, BLANK
    if word in _PASS_WORDS:
        return 0, PASSES
    if word in _FAIL_WORDS:
        return 0, FAILS
    if "_" in word:
        return 0, OTHER
    try:
        number = float(word.replace(",", ".", 1))
    except ValueError:
        return 0, OTHER
    if abs(number) > _MOST or number != number:
        return 0, OTHER
    return (int(number), WHOLE) if number.is_integer() else (0, FRACTION)
