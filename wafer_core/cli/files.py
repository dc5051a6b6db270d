"""What is found out about `--out` before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

from wafer_core.errors import UsageError
from wafer_core.models.card import CARD


def check_writable(path: Path) -> None:
    """Find out before the work begins whether its result can be left at `path`.

    Raises:
        UsageError: `path` is a folder or a file of a model, or its folder is missing or closed to us.
    """
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise UsageError(f"--out {path} cannot be written because there is no folder {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"--out {path} cannot be written: permission denied.")
    if path.is_file() and (path.resolve().parent / CARD).exists():
        raise UsageError(f"--out {path} would overwrite a file of the model there; name another file.")


def check_folder(path: Path, option: str = "--out") -> None:
    """Find out before the work begins whether a folder can be made or filled at the `path` of an option.

    Raises:
        UsageError: `path` or what should hold it is a file, or closed to us.
    """
    if not path.absolute().name:
        raise UsageError(f"{option} {path} has no name of its own; name a folder in it.")
    standing = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not standing.is_dir():
        raise UsageError(f"{option} {path} cannot be a folder because {standing} is a file.")
    if not os.access(standing, os.W_OK):
        raise UsageError(f"{option} {path} cannot be written: permission denied.")


def check_no_model(path: Path) -> None:
    """Find out before the work begins whether a new model's folder `path` would take the place of another model.

    Raises:
        UsageError: there is one.
    """
    if (path / CARD).exists():
        raise UsageError(f"--out {path} holds a model already; choose another folder, or remove that one.")
