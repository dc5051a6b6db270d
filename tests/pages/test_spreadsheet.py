"""What is saved on a page opens in a spreadsheet as it stood on the screen."""

import io

import pandas as pd
import pytest

from wafer_core.ui.shared.spreadsheet import csv_file


@pytest.mark.parametrize(
    ("name", "start"), [("W-01", b"wafer"), ("5 µm", b"\xef\xbb\xbfwafer"), ("晶圆", b"\xef\xbb\xbfwafer")]
)
def test_a_file_says_that_it_holds_more_than_ascii(name: str, start: bytes) -> None:
    saved = csv_file(f"wafer,fails\n{name},3\n")
    assert saved.startswith(start)
    assert pd.read_csv(io.BytesIO(saved)).to_dict("records") == [{"wafer": name, "fails": 3}]
