"""`python -m wafer_core`: the command line."""

from __future__ import annotations

import sys
import time
import warnings

STARTED = time.monotonic()

if __name__ == "__main__":
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn their users' programmers; standard error is for our sentences

    try:
        from wafer_core.cli import main
    except KeyboardInterrupt:
        # As `main` says it once it is there.
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)

    sys.exit(main(started=STARTED))
