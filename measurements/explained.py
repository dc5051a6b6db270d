"""What a run of `measurements.explanations` found, as figures and as printed tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from measurements.timing import table, verdict
from wafer_core.explain import TITLES, methods_for
from wafer_core.trust.exam import Answered, Exam, agreement
from wafer_core.trust.sanity import passed
from wafer_core.trust.tally import BETTER, Reached, reached

COLUMNS = {
    "pointing": "pointing",
    "pointing, evenly": "evenly",
    "pointing, unclaimed": "unclaimed",
    "pointing, unshared": "unshared",
    "own/other": "own/other",
    "removal": "removal",
    "deletion, passing": "deletion",
    "insertion, passing": "insertion",
    "deletion, untested": "del. untested",
    "insertion, untested": "ins. untested",
    "infidelity": "infidelity",
    "max-sensitivity": "sensitivity",
    "randomised weights": "randomised",
}
"""Scores and their heads in the table."""

DEAR = ("max-sensitivity", "randomised weights")
"""The scores that may cost too much to be taken on every wafer."""

GOALS: dict[str, dict[str, float]] = {
    "simulated mixes": {"pointing": 0.95, "own/other": 15.0, "removal": 0.5},
    "real overlays": {"pointing": 0.90, "own/other": 15.0, "removal": 0.5},
}
NOTHING_THERE = "no evidence on the other"
"""What stands for own/other where the other pattern's dies hold none, so that it cannot be divided by."""

MOST_TOLD = 1000
"""Own/other is told up to here."""

ALIKE = 0.8
"""The rank correlation that teacher and student should reach."""


@dataclass(frozen=True)
class Agreement:
    """How alike two explanations rank failing dies: of one model by one method, and of another by another."""

    set: str
    model: str
    method: str
    other_model: str
    other_method: str
    reached: Reached


@dataclass(frozen=True, eq=False)
class Explained:
    """All exams, their figures by exam and method, and what agrees with what."""

    exams: Sequence[Exam]
    figures: Mapping[tuple[Exam, str], Sequence[Reached]]
    agreements: Sequence[Agreement]

    @classmethod
    def of(cls, exams: Sequence[Exam]) -> Explained:
        """Tally exams."""
        figures = {
            (exam, method): reached(answered.items) for exam in exams for method, answered in exam.answers.items()
        }
        return cls(exams, figures, list(_agreements(exams)))

    def answered(self) -> Iterator[tuple[Exam, str, Answered]]:
        """Yield each exam, method and its answers, where there are any."""
        for exam in self.exams:
            for method, answered in exam.answers.items():
                if answered.items:
                    yield exam, method, answered

    def with_teacher(self, exam: Exam, method: str) -> list[Reached]:
        """Return how alike a student's and a teacher's explanations by one method are, if that was measured."""
        # The first one: a teacher's int8 file is compared with it like a student.
        teacher = next((each.model.name for each in self.exams if each.model.role == "teacher"), None)
        return [
            each.reached
            for each in self.agreements
            if each.model == teacher
            and (each.set, each.other_model, each.other_method, each.method)
            == (exam.set, exam.model.name, method, method)
        ]


def _agreements(exams: Sequence[Exam]) -> Iterator[Agreement]:
    """Compare models by the same method, and an ONNX file's occlusion with every method of its weights."""
    for one, two in combinations(exams, 2):
        if one.set != two.set:
            continue
        kin = one.model.folder == two.model.folder
        for first, answers in one.answers.items():
            for second, others in two.answers.items():
                if first == second or kin:
                    figure = [each for each in reached(agreement(answers, others)) if each.pattern is None]
                    if figure:
                        yield Agreement(one.set, one.model.name, first, two.model.name, second, figure[0])


def print_pooled(explained: Explained) -> None:
    """Print every method's pooled figures, each with its chance level in brackets; dear ones say on how many wafers."""
    for name in dict.fromkeys(exam.set for exam in explained.exams):
        rows = []
        for exam, method, answered in explained.answered():
            if exam.set == name:
                found = {each.score: each for each in explained.figures[exam, method] if each.pattern is None}
                cells = [_beside_chance(found[score]) if score in found else "" for score in COLUMNS]
                rows.append((f"{exam.model.name} {method}", *cells, answered.typical_milliseconds))
        print(f"\n{name}, all patterns; in brackets what chance reaches")
        table(rows, head=("model and method", *COLUMNS.values(), "ms"))


def print_patterns(explained: Explained) -> None:
    """Print the default method's figures by pattern, with intervals."""
    for exam in explained.exams:
        method = methods_for(exam.model)[0]
        scores = ("pointing", "pointing, unshared", "own/other", "removal")
        by_pattern = {
            (each.pattern or "all", each.score): each
            for each in explained.figures.get((exam, method), ())
            if each.other is None
        }
        names = dict.fromkeys(pattern for pattern, _ in by_pattern)
        rows = [
            (
                name,
                *(_with_interval(by_pattern[name, score]) if (name, score) in by_pattern else "" for score in scores),
            )
            for name in names
        ]
        print(f"\n{exam.model.name}, {method}, {exam.set}")
        table(rows, head=("pattern", *scores))


def print_pairs(explained: Explained) -> None:
    """Print the default method's figures of each pattern beside each other one, in Markdown, as the docs hold them."""
    for exam in explained.exams:
        method = methods_for(exam.model)[0]
        figures = explained.figures.get((exam, method), ())
        pairs = {(each.pattern, each.other, each.score): each for each in figures if each.other is not None}
        if not pairs:
            continue
        print(f"\n`{exam.model.name}`, {TITLES[method]}, {exam.set}:\n")
        print("| pattern beside another | patterns scored | pointing [chance] | own/other |\n|---|---|---|---|")
        for pattern, other in dict.fromkeys((pattern, other) for pattern, other, _ in pairs):
            pointing, kept_apart = pairs[pattern, other, "pointing"], pairs.get((pattern, other, "own/other"))
            print(
                f"| {pattern} beside {other} | {pointing.n} "
                f"| {pointing.value:.2f} ({pointing.low:.2f} to {pointing.high:.2f}) [{pointing.chance:.2f}] "
                f"| {_times_as_dense(kept_apart) if kept_apart else NOTHING_THERE} |"
            )


def print_agreements(explained: Explained) -> None:
    """Print what agrees with what."""
    print("\nRank correlation over failing dies, where both call the pattern; chance 0")
    table(
        [
            (
                f"{each.model} {each.method}",
                f"{each.other_model} {each.other_method}",
                each.set,
                _with_interval(each.reached),
            )
            for each in explained.agreements
        ],
        head=("one", "other", "set", "correlation"),
    )


def print_goals(explained: Explained) -> None:
    """Print whether the default method of each model reaches what the project set out to reach."""
    print()
    for exam in explained.exams:
        method = methods_for(exam.model)[0]
        figures = explained.figures.get((exam, method), ())
        found = {each.score: each for each in figures if each.pattern is None}
        for score, goal in GOALS[exam.set].items():
            if score in found:
                value = found[score].value
                met = value <= goal if BETTER[score] == "lower" else value >= goal
                verdict(f"{exam.model.name}, {method}, {exam.set}: {score} {value:.3g}; the goal is {goal:g}.", met)
        for each in explained.with_teacher(exam, method):
            verdict(f"{exam.model.name}, {method}, {exam.set}: like the teacher {each.value:.3g}.", each.value >= ALIKE)
    for exam, method, _ in explained.answered():
        for each in explained.figures[exam, method]:
            if each.score == "randomised weights" and each.pattern is None:
                told = f"{exam.model.name}, {method}, {exam.set}: {each.value:.2g} like randomised weights."
                verdict(f"sanity check, {told}", passed(each))


def _beside_chance(each: Reached) -> str:
    taken_on = f"; n {each.n}" if each.score in DEAR else ""
    return f"{each.value:.3g} ({each.chance:.2g}{taken_on})"


def _times_as_dense(each: Reached) -> str:
    """Return own/other with its interval; where the other's dies hold next to nothing, no more digits mean anything."""
    value, low, high = (
        f"over {MOST_TOLD:,}" if one > MOST_TOLD else f"{one:.0f}" if one >= 10 else f"{one:.1f}"
        for one in (each.value, each.low, each.high)
    )
    return f"{value} ({low} to {high})"


def _with_interval(each: Reached) -> str:
    chance = f"; chance {each.chance:.2g}" if each.score != "agreement" else ""
    return f"{each.value:.3g} [{each.low:.3g} to {each.high:.3g}{chance}; n {each.n}]"
