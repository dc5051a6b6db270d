"""WaferDistill: large teachers and small students that name mixed defect patterns on wafer maps."""

import os

# ONNX Runtime 1.32 gives every user an id and reports its use to its maker, unless told so before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
