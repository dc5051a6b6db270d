"""`python -m wafer_core`: the command line."""

from __future__ import annotations

import sys
import time
import warnings

STARTED = time.monotonic()

if __name__ == "__main__":
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn their users' programmers; standard error is for our sentences

    from wafer_core.cli import main

    sys.exit(main(started=STARTED))
