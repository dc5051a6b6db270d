"""The argument parser, whose complaints are sentences like all others."""

from __future__ import annotations

import argparse
from typing import NoReturn

from wafer_core.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises its complaints as `UsageError`, in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print with its usage."""
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}; see {self.prog} --help.")
