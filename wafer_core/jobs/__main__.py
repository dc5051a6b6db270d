"""`python -m wafer_core.jobs --workspace DIR`: serve a workspace until it has been idle for long enough."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from wafer_core.errors import WaferDistillError
from wafer_core.jobs.process import IDLE_SECONDS, sign, worker_lock

NICENESS = 10
"""The worker gives way to the server, so that pages stay quick."""


def main() -> int:
    """Take the workspace's lock, or leave at once where another worker has it, and serve."""
    parser = argparse.ArgumentParser(prog="python -m wafer_core.jobs", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--idle", type=float, default=os.environ.get("WAFERDISTILL_WORKER_IDLE", IDLE_SECONDS), metavar="SECONDS"
    )
    arguments = parser.parse_args()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        return _serve(arguments.workspace.resolve(), arguments.idle)
    except WaferDistillError as problem:
        print(problem, file=sys.stderr)
        return 2


def _serve(root: Path, idle: float) -> int:
    while True:
        with worker_lock(root, patience=2.0) as held:
            if not held:
                return 0
            sign(root)
            from wafer_core.jobs.worker import serve, work_waits

            serve(root, idle)
        # Someone may have asked between the last look at the queue and letting go of the lock.
        if not work_waits(root):
            return 0


if __name__ == "__main__":
    sys.exit(main())
