"""The command line: what the pages do, without a browser.

Exit code 0; 2 with one sentence on standard error for what the caller can mend; 1 with one for a
fault of ours; 130 when interrupted. A traceback never.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from types import ModuleType

from wafer_core.cli import benchmark, distill, explain, fit_novelty, kit, models, score, train_student, train_teacher
from wafer_core.console import FAULT, INTERRUPTED, MENDABLE, Parser, forget, say
from wafer_core.errors import WaferDistillError, lacks_memory

TRAINERS: tuple[ModuleType, ...] = (train_teacher, train_student)
"""Commands whose arguments their trainer parses, because only asking it for them would import torch."""

COMMANDS: tuple[ModuleType, ...] = (score, explain, distill, kit, benchmark, models, fit_novelty, *TRAINERS)
"""One module a command: `NAME`, a docstring, `add_arguments(parser)` and `run(arguments)`.

They import what is heavy inside `run`, so that scoring an ONNX model imports no torch.
"""


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="python -m wafer_core", description="Name defect patterns on wafer maps.", allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for module in COMMANDS:
        about = (module.__doc__ or "").partition("\n")[0]
        own_help = module not in TRAINERS  # which hand their arguments on, this one too
        command = commands.add_parser(module.NAME, help=about, description=about, allow_abbrev=False, add_help=own_help)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None, started: float | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments after the program's name; None takes the process's own.
        started: `time.monotonic()` of the process's start, from which budgets count.
    """
    try:
        _run(argv, time.monotonic() if started is None else started)
    except WaferDistillError as error:
        return say(str(error), MENDABLE)
    except KeyboardInterrupt:
        return say("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        forget(sys.stdout)
        return say("Standard output was closed before everything was written.", MENDABLE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return say(f"{where}{error.strerror or error}.", MENDABLE)
    except Exception as error:
        if lacks_memory(error):
            return say("There is not enough memory for this; give fewer or smaller files at once.", MENDABLE)
        return say(f"WaferDistill failed on its own account, please report it: {type(error).__name__}: {error}.", FAULT)
    return 0


def _run(argv: Sequence[str] | None, started: float) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        # A path may hold bytes that are no text, and the result beside it stands all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    with suppress(SystemExit):  # --help has been printed
        parser = build_parser()
        arguments, rest = parser.parse_known_args(argv)
        if rest and arguments.command not in {module.NAME for module in TRAINERS}:
            parser.error(f"unknown arguments: {' '.join(rest)}")
        arguments.rest, arguments.started = rest, started
        arguments.run(arguments)
    if sys.stdout:  # a caller may have started us with it closed
        sys.stdout.flush()
