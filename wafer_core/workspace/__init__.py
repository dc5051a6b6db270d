"""What lasts: lots, results, speeds, models, approvals and jobs, in one folder with SQLite and plain files."""

from __future__ import annotations

from wafer_core.workspace.approvals import Approval
from wafer_core.workspace.job_rows import ENDED, WAITING, JobRow, JobShelf, Kind, ProgressPoint, State
from wafer_core.workspace.lots import LotRow, LotShelf, Source, Upload
from wafer_core.workspace.models import ModelRow, ModelShelf, is_shipped
from wafer_core.workspace.results import ResultShelf, StoredScores
from wafer_core.workspace.shelf import HOME, default_root
from wafer_core.workspace.speeds import Speed, SpeedShelf

__all__ = [
    "ENDED",
    "HOME",
    "WAITING",
    "Approval",
    "JobRow",
    "Kind",
    "LotRow",
    "ModelRow",
    "ProgressPoint",
    "Source",
    "Speed",
    "State",
    "StoredScores",
    "Upload",
    "Workspace",
    "default_root",
    "is_shipped",
]


class Workspace(LotShelf, ResultShelf, SpeedShelf, ModelShelf, JobShelf):
    """One folder that server, worker and any number of tabs share; each process opens its own.

    ```python
    workspace = Workspace()
    lot_id = workspace.read_upload([NamedBytes("lot.csv", data)])
    logits, present = workspace.scores(workspace.model("student").sha256, hashes)
    ```
    """
