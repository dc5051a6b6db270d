"""One exception tree; every message is a sentence an engineer can act on.

WaferDistillError
├── UnreadableFile     a file is broken, too large or of no known layout
├── ReadingQuestion    a file can be read in several ways and the engineer has to say which
├── UnknownWafer       no wafer, or more than one, answers to the name given
├── UnknownModel       no model answers to the name or path given
├── BrokenModel        a model folder contradicts its card
├── UnsupportedMethod  this explanation method cannot explain this model
├── UnusableLot        the lot cannot serve what was asked of it
├── OutdatedRun        a run that was begun cannot go on with what there is now
└── UsageError         an option has a value that cannot be used
"""

from __future__ import annotations

from collections.abc import Sequence


class WaferDistillError(Exception):
    """Base of everything the caller can mend; `str(error)` is fit for the screen."""


class UnreadableFile(WaferDistillError):
    """A file is broken, too large or of no known layout.

    Args:
        name: the file's name as the engineer gave it.
        reason: a clause or sentences that say what is wrong and what to do.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class ReadingQuestion(WaferDistillError):
    """A file can be read in several ways and the engineer has to say which.

    Args:
        name: the file's name as the engineer gave it.
        option: the field of `ReadingOptions` that answers the question, such as `pass_bins`.
        question: one sentence that asks it and names what was found.
        choices: values found in the file that the answer chooses among; may be empty.
    """

    def __init__(self, name: str, option: str, question: str, choices: Sequence[int | str] = ()) -> None:
        flag = "--" + option.replace("_", "-")
        super().__init__(f"{name}: {question} State it with {flag}.")
        self.name = name
        self.option = option
        self.question = question
        self.choices = tuple(choices)


class UnknownWafer(WaferDistillError):
    """No wafer, or more than one, answers to the name given."""


class UnknownModel(WaferDistillError):
    """No model answers to the name or path given."""


class BrokenModel(WaferDistillError):
    """A model folder contradicts its card, or holds something that is not a model."""


class UnsupportedMethod(WaferDistillError):
    """This explanation method cannot explain this model."""


class UnusableLot(WaferDistillError):
    """The lot cannot serve what was asked of it."""


class OutdatedRun(WaferDistillError):
    """A run that was begun cannot go on with what there is now."""


class UsageError(WaferDistillError):
    """An option has a value that cannot be used."""


def lacks_memory(fault: BaseException) -> bool:
    """Return whether a fault says that the machine has too little memory; torch does so in its own words."""
    own = isinstance(fault, RuntimeError) and "can't allocate memory" in str(fault)
    return isinstance(fault, MemoryError) or own
