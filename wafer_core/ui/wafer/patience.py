"""Waiting a moment within one drawing of a page, because another drawing takes as long."""

from __future__ import annotations

import time
from collections.abc import Callable

MOMENT = 0.6
"""Seconds a page waits for the worker at the end of one drawing."""
LOOK = 0.01
"""Seconds between two looks while it waits."""


def wait(arrived: Callable[[], bool]) -> None:
    """Give the worker the moment it usually needs, until something has arrived."""
    deadline = time.monotonic() + MOMENT
    while not arrived() and time.monotonic() < deadline:
        time.sleep(LOOK)
