"""The queue and its one worker process: score, explain, alter, distil and rehearse, asked for here and done there.

A page asks the store, queues what is missing and redraws from rows:

```python
if missing(workspace, lot, student):
    submit_score(workspace, lot_id, student.name, first=positions_in_view)
ensure_worker(workspace)
```
Nothing here imports torch; the worker does.
"""

from __future__ import annotations

from wafer_core.jobs.logbook import log_lines, log_path
from wafer_core.jobs.process import ensure_worker, worker_alive, worker_pid
from wafer_core.jobs.queue import (
    cancel,
    explained,
    jobs,
    last_explain_lot,
    last_rehearsal,
    missing,
    missing_attributions,
    pause,
    progress,
    resume,
    seconds_a_wafer,
    submit_altered,
    submit_distil,
    submit_explain,
    submit_explain_lot,
    submit_rehearsal,
    submit_score,
    unexplained,
)

__all__ = [
    "cancel",
    "ensure_worker",
    "explained",
    "jobs",
    "last_explain_lot",
    "last_rehearsal",
    "log_lines",
    "log_path",
    "missing",
    "missing_attributions",
    "pause",
    "progress",
    "resume",
    "seconds_a_wafer",
    "submit_altered",
    "submit_distil",
    "submit_explain",
    "submit_explain_lot",
    "submit_rehearsal",
    "submit_score",
    "unexplained",
    "worker_alive",
    "worker_pid",
]
