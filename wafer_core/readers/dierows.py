"""Rows of a die list, from whichever file, gathered into wafers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import ReadingQuestion, UnreadableFile
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Note, ReadingOptions
from wafer_core.readers import limits, numbers
from wafer_core.readers.cells import NO_BIN, check_states, passing_bins, states_of
from wafer_core.readers.draft import Draft

BLOCK = 65_536
"""Rows taken in at a time, so that a long list is never held as text."""
MISSING = -32768
"""STDF's mark for a coordinate that was not recorded; it survives into exported lists."""

NOT_WHOLE, NO_NUMBER = "x or y is not a whole number", "the bin is not a number"
_MOST_WORDS = 0.01
"""The share of rows that may be left out for their bin where all others say the same."""
_FEW_LINES = 3
"""Rows or columns with dies of which nobody can say whether most between them are empty."""
_MOST_AGAIN, _FEW_RETESTS = 0.7, 20
"""The share of a wafer's places, and so many of them at least, that no retest of what failed names again."""
_FEW_SHARED = 0.1
"""So many of the places of rows without a lot may be retests of dies whose rows name one; more are another wafer's."""
_MANY_WAFERS, _FEW_DIES = 20, 2
"""Wafers of so few dies each of which no file has so many."""
_FEW_PLACES = 1_000
"""Times as many cells as dies that no wafer's grid has, ..."""
_SMALL_GRID = 10_000
"""... unless it has no more than so many."""

_Ids = tuple[str | None, str | None]
_Integers = NDArray[np.int64]


@dataclass(eq=False)
class DieRows:
    """The rows of one file; `add` takes them in blocks, `drafts` makes wafers of them.

    Args:
        name: the file's name.
        unit: what its rows are called in remarks, `line` or `row`.
    """

    name: str
    unit: str = "line"
    rejected: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _blocks: list[tuple[_Integers, ...]] = field(default_factory=list)
    _codes: dict[_Ids, int] = field(default_factory=dict)
    _rows: int = 0
    _fraction: str | None = None
    _place: str | None = None
    _word: str | None = None

    def add(self, lines: Sequence[int], columns: dict[str, list[str]]) -> None:
        """Take in rows given by their line numbers and the texts of x, y, bin and, if any, lot and wafer."""
        self._rows += len(lines)
        limits.check_rows(self.name, self._rows)
        line = np.asarray(lines, dtype=np.int64)
        x, x_kind = numbers.parse(columns["x"])
        y, y_kind = numbers.parse(columns["y"])
        value, kind = numbers.parse(columns["bin"], thousands=True)
        code = self._code(columns.get("lot"), columns.get("wafer"), len(lines))
        kind[(kind == numbers.WHOLE) & (value < 0)] = numbers.BLANK
        if self._fraction is None and (kind == numbers.FRACTION).any():
            self._fraction = columns["bin"][int(np.argmax(kind == numbers.FRACTION))]

        if self._word is None and (kind == numbers.OTHER).any():
            self._word = columns["bin"][int(np.argmax(kind == numbers.OTHER))].strip()
        for axis, kinds in (("x", x_kind), ("y", y_kind)):
            if self._place is None and (kinds == numbers.FRACTION).any():
                self._place = columns[axis][int(np.argmax(kinds == numbers.FRACTION))].strip()

        blank = (x_kind == numbers.BLANK) | (y_kind == numbers.BLANK) | (x == MISSING) | (y == MISSING)
        odd = (x_kind != numbers.WHOLE) | (y_kind != numbers.WHOLE)
        keep = np.ones(len(line), dtype=bool)
        for reason, bad in (
            ("no x or y", blank),
            (NOT_WHOLE, odd),
            ("no wafer id", code < 0),
            (NO_NUMBER, kind == numbers.OTHER),
        ):
            self.rejected[reason] += line[bad & keep].tolist()
            keep &= ~bad
        self._blocks.append(tuple(a[keep] for a in (line, code, x, y, value, kind.astype(np.int64))))

    def reject(self, line: int, reason: str) -> None:
        """Leave out a row that could not even be parted into cells."""
        self.rejected[reason].append(line)
        self._rows += 1
        limits.check_rows(self.name, self._rows)

    def drafts(
        self, options: ReadingOptions, named: Collection[str] = ("lot", "wafer")
    ) -> tuple[list[Draft], list[Note]]:
        """Return a draft a wafer, in order of first appearance, and what there is to remark.

        Args:
            options: what the engineer stated.
            named: whether columns name the `lot` and the `wafer`; without one of them, places that repeat may be those
                of several wafers.

        Raises:
            UnreadableFile: no row gives a die, a coordinate is far off all others, most are no whole numbers, bins are
                stated to be die states and are not, words that say neither pass nor fail leave only one of both, or
                wafers that no column tells apart stand in it.
            ReadingQuestion: the bins do not say which of them pass, or nothing says whether two lots stand in it.
        """
        columns = (np.concatenate(parts) for parts in zip(*self._blocks, strict=True))
        line, code, x, y, value, kind = columns if self._blocks else (np.zeros(0, dtype=np.int64),) * 6
        if (kind == numbers.FRACTION).any():
            if options.pass_bins is None and options.cells != "states":
                question = f"The bin column holds numbers such as {self._fraction}: which whole numbers pass?"
                raise ReadingQuestion(self.name, "pass_bins", question + " Rows with others will be left out.")
            bad = kind == numbers.FRACTION
            self.rejected["the bin is not a whole number"] += line[bad].tolist()
            code, x, y, value, kind = (a[~bad] for a in (code, x, y, value, kind))
        notes: list[Note] = []
        if len(code):
            state, has_bins = self._states(value, kind, options, notes)
            present = state != NO_DIE
            code, x, y, value, kind, state = (a[present] for a in (code, x, y, value, kind, state))
        if not len(code):
            why = self._why()
            if not (self._rows or why):
                raise UnreadableFile(self.name, "it holds no row below its header; export it again with a row a die.")
            raise UnreadableFile(self.name, f"none of its rows gives a die{why}.")
        bins = np.where(kind == numbers.WHOLE, value, NO_BIN) if has_bins else None
        self._check_left(state)
        ids = list(self._codes)
        if options.lot is None:
            code, ids = self._with_lots(code, x, y, notes)
        drafts, retested = self._wafers(code, ids, x, y, state, bins)
        self._check_apart(code, ids, x, y, options, named)
        self._check_ids(drafts)
        notes += _sparse(self.name, code, x, y)
        if retested:
            text = f"{retested:,} {'die was' if retested == 1 else 'dies were'} tested again; the last test counts."
            notes.append(Note("changed", self.name, text))
        return drafts, [*notes, *self._rejections()]

    def _code(self, lots: list[str] | None, wafers: list[str] | None, count: int) -> _Integers:
        """Number the wafers in order of first appearance; -1 where a row names none."""
        lot_of = [numbers.id_of(text) or None for text in lots] if lots else [None] * count
        wafer_of = [numbers.id_of(text) for text in wafers] if wafers else [None] * count
        codes = self._codes
        return np.fromiter(
            (
                -1 if wafer == "" else codes.setdefault((lot, wafer), len(codes))
                for lot, wafer in zip(lot_of, wafer_of, strict=True)
            ),
            np.int64,
            count,
        )

    def _with_lots(
        self, code: _Integers, x: _Integers, y: _Integers, notes: list[Note]
    ) -> tuple[_Integers, list[_Ids]]:
        """Give rows without a lot the one lot that others of their wafer name: merged cells hold it once.

        Rows that name the same dies again are left apart, as another lot's wafer of that number.

        Returns the number of every row's wafer, and what lot and wafer each number stands for.
        """
        ids = list(self._codes)
        joined, blank = np.arange(len(ids)), np.zeros(len(ids), dtype=bool)
        for number, other in _only_lots(ids).items():
            joined[number], blank[number] = other, True
        apart = _sharing(joined[code], x, y, blank[code])
        blank &= ~np.isin(joined, apart)
        whole = np.arange(len(ids))
        for number in np.flatnonzero(blank).tolist():
            other = int(joined[number])
            first = min(number, other)
            whole[[number, other]], ids[first] = first, ids[other]
        if filled := int(np.count_nonzero(blank[code])):
            text = f"Rows that name no lot ({filled:,}) are of the one that others of their wafer name."
            notes.append(Note("assumed", self.name, text))
        return whole[code], ids

    def _check_apart(
        self,
        code: _Integers,
        ids: Sequence[_Ids],
        x: _Integers,
        y: _Integers,
        options: ReadingOptions,
        named: Collection[str],
    ) -> None:
        """Find out whether what looks like tests again may be another wafer's dies.

        Raises:
            UnreadableFile: most places of a wafer are named again, and no column names the wafers.
            ReadingQuestion: so they are, and nothing says that all are of one lot.
        """
        if "wafer" in named:
            if options.lot is not None:
                return
            of_no_lot = np.array([lot is None for lot, _ in ids])[code]
            code, x, y = code[of_no_lot], x[of_no_lot], y[of_no_lot]
        again, wafers = _named_again(code, x, y)
        if not again:
            return
        if "wafer" not in named:
            raise UnreadableFile(
                self.name,
                "most of its dies are named more than once, and no column names the wafers: call the one that does "
                "'wafer', or leave out all but the last test of a die.",
            )
        raise ReadingQuestion(
            self.name,
            "lot",
            f"On {again:,} of {wafers:,} wafers most dies are named more than once, and nothing names their lot. If "
            "all are of one lot, what is it called? The last test of a die will count. If they are of several, name "
            "the lot in every row, in a column called 'lot', and open the file again.",
        )

    def _check_ids(self, drafts: Sequence[Draft]) -> None:
        """Refuse wafers of hardly a die each: what was taken for their ids is something else.

        Raises:
            UnreadableFile: so they are.
        """
        dies = [int(np.count_nonzero(draft.states)) for draft in drafts]
        if len(dies) >= _MANY_WAFERS and np.median(dies) <= _FEW_DIES:
            raise UnreadableFile(
                self.name,
                f"it would hold {len(dies):,} wafers of {int(np.median(dies))} dies or so each: what names lots or "
                "wafers in its header differs in nearly every row; rename the column that names something else.",
            )

    def _check_left(self, state: NDArray[np.uint8]) -> None:
        """Refuse what is left where so much was left out that it means something else.

        Raises:
            UnreadableFile: most coordinates were no whole numbers, or the bins of many rows say neither pass nor fail
                and those of all others say the same.
        """
        if 2 * len(self.rejected[NOT_WHOLE]) > self._rows and self._place is not None:
            raise UnreadableFile(
                self.name, f"most of its x or y are fractions such as {self._place}; give each die's column and row."
            )
        words = len(self.rejected[NO_NUMBER])
        left = set(np.unique(state).tolist()) - {UNTESTED}
        if self._word is not None and words > _MOST_WORDS * self._rows and len(left) == 1:
            says = "pass" if left == {PASS} else "fail"
            raise UnreadableFile(
                self.name,
                f"the bin of {words:,} rows is a word such as {self._word[:20]!r} that says neither pass nor fail, and "
                f"all other rows {says}; write numbers, or pass and fail.",
            )

    def _states(
        self, value: _Integers, kind: _Integers, options: ReadingOptions, notes: list[Note]
    ) -> tuple[NDArray[np.uint8], bool]:
        """Return the state of every row and whether the values are bins worth keeping."""
        whole = kind == numbers.WHOLE
        found = np.unique(value[whole]).tolist()
        if options.cells == "states":
            check_states(self.name, min(found, default=0), max(found, default=0))
            state = np.where(whole, value, UNTESTED).astype(np.uint8)
            has_bins = False
        else:
            zeros, ones = (int(np.count_nonzero(value[whole] == each)) for each in (0, 1))
            passing, note = passing_bins(self.name, found, options, zero_leads=zeros > ones)
            notes += [note] if note else []
            state = np.where(whole, states_of(value, passing), np.uint8(UNTESTED))
            has_bins = bool(found)
        state[kind == numbers.PASSES] = PASS
        state[kind == numbers.FAILS] = FAIL
        if untested := int(np.count_nonzero(kind == numbers.BLANK)):
            notes.append(Note("assumed", self.name, f"{untested:,} rows without a bin are dies that were not tested."))
        return state, has_bins

    def _wafers(
        self,
        code: _Integers,
        ids: Sequence[_Ids],
        x: _Integers,
        y: _Integers,
        state: NDArray[np.uint8],
        bins: _Integers | None,
    ) -> tuple[list[Draft], int]:
        order = np.argsort(code, kind="stable")
        code, x, y, state = code[order], x[order], y[order], state[order]
        bins = None if bins is None else bins[order]
        starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
        left, right = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
        low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
        rows, columns = high - low + 1, right - left + 1
        limits.check_grid(self.name, int(rows.max()), int(columns.max()))
        limits.check_lot(self.name, len(starts), int((rows * columns).sum()), bins is not None)
        cells, dies_of = rows * columns, np.diff(np.r_[starts, len(code)])
        if (far := (cells > _SMALL_GRID) & (cells > _FEW_PLACES * dies_of)).any():
            i = int(np.argmax(far))
            raise UnreadableFile(
                self.name,
                f"{dies_of[i]:,} dies lie on {rows[i]:,} x {columns[i]:,} cells; check for a stray coordinate.",
            )

        ends = np.r_[starts[1:], len(code)]
        drafts, dies = [], 0
        for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            part = slice(start, end)
            # y runs upwards: the highest y is the top row.
            row, column = high[i] - y[part], x[part] - left[i]
            tested = state[part] != UNTESTED
            grid = np.zeros((rows[i], columns[i]), dtype=np.uint8)
            grid[row[~tested], column[~tested]] = UNTESTED
            # Of several values for one cell NumPy keeps the last, which is the last test.
            grid[row[tested], column[tested]] = state[part][tested]
            bin_grid = None
            if bins is not None:
                bin_grid = np.full(grid.shape, NO_BIN, dtype=np.int32)
                bin_grid[row[tested], column[tested]] = bins[part][tested]
            lot, wafer = ids[int(code[start])]
            frame = Frame(int(rows[i]), int(columns[i]), int(left[i]), int(high[i]), y_step=-1)
            drafts.append(Draft(grid, lot, wafer, frame, bin_grid, extent="dies"))
            dies += int(np.count_nonzero(grid))
        return drafts, len(code) - dies

    def _rejections(self) -> list[Note]:
        return [
            Note("rejected", self.name, f"{len(found):,} {self._listing(found)} left out: {reason}.")
            for reason, found in self.rejected.items()
            if found
        ]

    def _listing(self, found: list[int]) -> str:
        plural = "" if len(found) == 1 else "s"
        return f"row{plural} ({self.unit}{plural} {limits.ranges(sorted(found))})"

    def _why(self) -> str:
        reasons = [f"{self._listing(found)}: {reason}" for reason, found in self.rejected.items() if found]
        return f" ({'; '.join(reasons)})" if reasons else ""


def _only_lots(ids: Sequence[_Ids]) -> dict[int, int]:
    """Return for each number of a wafer without a lot the number of that wafer in the only lot that has it."""
    of_wafer: dict[str | None, list[int]] = defaultdict(list)
    for number, (lot, wafer) in enumerate(ids):
        if lot is not None:
            of_wafer[wafer].append(number)
    return {
        number: of_wafer[wafer][0]
        for number, (lot, wafer) in enumerate(ids)
        if lot is None and len(of_wafer[wafer]) == 1
    }


def _sharing(code: _Integers, x: _Integers, y: _Integers, blank: NDArray[np.bool_]) -> _Integers:
    """Return the wafers whose `blank` rows name more than a few dies that their other rows name, too."""
    if not blank.any():
        return np.zeros(0, dtype=np.int64)
    concerned = np.isin(code, code[blank])
    places = np.unique(np.stack([code, x, y, blank])[:, concerned], axis=1)
    shared = (places[:3, 1:] == places[:3, :-1]).all(axis=0)
    of_blank = np.bincount(places[0], places[3])
    of_both = np.bincount(places[0, 1:][shared], minlength=len(of_blank))
    return np.flatnonzero(of_both > _FEW_SHARED * of_blank)


def _named_again(code: _Integers, x: _Integers, y: _Integers) -> tuple[int, int]:
    """Return on how many wafers most places are named more than once, and how many wafers there are."""
    places, times = np.unique(np.stack([code, x, y]), axis=1, return_counts=True)
    _, wafer, distinct = np.unique(places[0], return_inverse=True, return_counts=True)
    again = np.bincount(wafer, times > 1)
    return int(np.count_nonzero((again >= _MOST_AGAIN * distinct) & (again >= _FEW_RETESTS))), len(distinct)


def _sparse(name: str, code: _Integers, x: _Integers, y: _Integers) -> list[Note]:
    """Return a note where most columns or rows between a wafer's first and last die hold no die.

    Some tests take every second die; a stray coordinate or one in other steps looks the same, and what models say of
    such a map means nothing.
    """
    for axis, places in (("x", x), ("y", y)):
        pairs = np.unique(np.stack([code, places]), axis=1)
        starts = np.flatnonzero(np.r_[True, pairs[0, 1:] != pairs[0, :-1]])
        taken = np.diff(np.r_[starts, pairs.shape[1]])
        first, last = np.minimum.reduceat(pairs[1], starts), np.maximum.reduceat(pairs[1], starts)
        thin = (2 * taken < last - first + 1) & (taken > _FEW_LINES)
        if thin.any():
            i = int(np.argmax(thin))
            wafers = f"On {int(thin.sum()):,} of {len(starts):,} wafers" if len(starts) > 1 else "On its wafer"
            text = (
                f"{wafers} most {axis} from {first[i]:,} to {last[i]:,} hold no die: check for a stray coordinate, or "
                "for coordinates that do not go in steps of 1."
            )
            return [Note("assumed", name, text)]
    return []
