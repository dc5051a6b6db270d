"""Which column of a die list is which, under the names that testers and databases give them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIE = r"(die|part|chip|grid|unit)"
_AXIS = r"(die|part|chip|wafer|map|grid|unit|site|prober?)?"
_PLACE = r"(coord|coordinate|pos|position|index|idx|loc|location|no|nr|num|number|die|addr|address|s)?"
_PREFIX = r"(coord|coordinate|pos|position|index|idx|loc|location)"
_NUMBER = r"(no|nr|num|number|code|id|value|cd)?"

_NAMES: dict[str, tuple[str, ...]] = {
    "x": (
        r"x(座標|坐標|坐标|座标|좌표)",
        rf"{_DIE}x{_PLACE}",
        rf"x{_PLACE}",
        rf"{_AXIS}x{_PLACE}",
        rf"{_AXIS}{_PREFIX}x",
        rf"{_AXIS}(col|column){_PLACE}",
    ),
    "y": (
        r"y(座標|坐標|坐标|座标|좌표)",
        rf"{_DIE}y{_PLACE}",
        rf"y{_PLACE}",
        rf"{_AXIS}y{_PLACE}",
        rf"{_AXIS}{_PREFIX}y",
        rf"{_AXIS}row{_PLACE}",
    ),
    "bin": (
        rf"(hard|hw|h)bin{_NUMBER}",
        r"hb",
        rf"(die|test|part|chip|map|final)?bin{_NUMBER}(result)?",
        rf"(soft|sw|s)bin{_NUMBER}",
        r"sb",
        r"(die|test|part)?(passfail|pf|result|status|state|category)",
        r"(is)?pass(ed|ing)?",
    ),
    "lot": (
        r"(fab|mfg|wafer|prod|production)?lot(id|no|nr|num|number|name|key|code)?",
        r"(source|root|start|parent|sub)lot(id|no|nr|num|number|name|key|code)?",
        r"batch(id|no|nr|num|number|name)?",
        r"(los|charge|chargen)(id|nr|nummer)?",
        r"(批号|批次|批次号|批次编号|ロット|ロット番号|ロットid|ロットno|로트|로트번호)",
    ),
    "wafer": (
        r"(wafer|wfr|wf|substrate)(id|no|nr|num|number|name|index|idx|key|seq|sequence)?",
        r"(wafer|wfr|wf)?(slot|scribe)(id|no|nr|num|number)?",
        r"waferlotid",
        r"(scheibe|scheiben)(id|nr|nummer)?",
        r"(晶圆|晶圆号|晶圆编号|晶圓|晶圓號|片号|ウェハ|ウェーハ|ウエハ|ウエハー|ウェハ番号|ウェーハ番号|웨이퍼|웨이퍼번호)",
    ),
}
_KINDS = {role: [re.compile(name) for name in names] for role, names in _NAMES.items()}


def roles(header: Sequence[str]) -> dict[str, int]:
    """Return which column plays which role: x, y, bin, lot, wafer, as far as `header` names them.

    A hard bin goes before a plain bin, a plain one before a soft bin, all before pass/fail words.

    Example:
        >>> roles(["LOT_ID", "Wafer #", "DieX", "DieY", "SoftBin", "HardBin"])
        {'x': 2, 'y': 3, 'bin': 5, 'lot': 0, 'wafer': 1}
    """
    whole = [re.sub(r"[\W\d_]", "", cell.lower()) for cell in header]
    # Of a name in two scripts, such as `X座標`, the Latin letters may be enough.
    latin = [re.sub(r"[^a-z]", "", cell.lower()) for cell in header]
    found: dict[str, int] = {}
    for role, kinds in _KINDS.items():
        named = ((kind, names) for names in (whole, latin) for kind in kinds)
        column = next((i for kind, names in named for i, name in enumerate(names) if kind.fullmatch(name)), None)
        if column is not None:
            found[role] = column
    if found.get("wafer") == found.get("lot"):
        found.pop("wafer", None)
    return found
