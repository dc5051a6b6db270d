"""WaferDistill: large teachers and small students that name mixed defect patterns on wafer maps."""
