"""A workspace that cannot be opened is told in a sentence on every page."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest


@pytest.mark.parametrize("page", ["lot", "wafer", "compare", "distill"])
def test_a_damaged_database_is_a_sentence(visit: Callable[..., AppTest], home: Path, page: str) -> None:
    st.cache_resource.clear()
    home.mkdir(exist_ok=True)
    (home / "workspace.sqlite").write_bytes(b"no database" * 500)
    app = visit(page)
    assert not app.exception
    assert len(app.error) == 1
    assert "workspace.sqlite cannot be used" in app.error[0].value
