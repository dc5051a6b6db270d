"""How high lists are."""

import pandas as pd
import pytest

from wafer_core.ui.shared import layout


@pytest.mark.parametrize(("rows", "pixels"), [(1, 69), (9, 333), (12, 432), (13, 448), (200, 448)])
def test_twelve_rows_are_shown_whole_and_more_of_them_scroll(rows: int, pixels: int) -> None:
    assert layout.table_height(pd.DataFrame({"wafer": range(rows)})) == pixels
