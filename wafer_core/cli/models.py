"""List the shipped models, one entry a weights file."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wafer_core.models.folder import ModelFile

NAME = "models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON instead of a table")


def run(arguments: argparse.Namespace) -> None:
    """Print the list."""
    from wafer_core.models.folder import shipped_models

    rows = [_row(model) for model in shipped_models()]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'name':<19}{'role':<9}{'engine':<8}{'parameters':>11}{'bytes':>11}  path")
    for row in rows:
        name, role, engine, parameters, size, path = (row[key] for key in list(row)[:6])
        print(f"{name:<19}{role:<9}{engine:<8}{parameters:>11,}{size:>11,}  {path}")


def _row(model: ModelFile) -> dict[str, Any]:
    return {
        "name": model.name,
        "role": model.role,
        "engine": model.engine,
        "parameters": model.entry.parameters,
        "bytes": model.entry.bytes,
        "path": str(model.path),
        "sha256": model.sha256,
        "runs": model.card.runs_until(model.sha256),
    }
