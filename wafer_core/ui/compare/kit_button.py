"""Download for the tool: a student's kit, packed when it is asked for and kept by its weights' hashes."""

from __future__ import annotations

import streamlit as st

from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import human_bytes

INSIDE = (
    "A zip with the int8 and the fp32 ONNX graph, their card, a runner of one Python file that needs only NumPy and "
    "ONNX Runtime, and test vectors to check it with on the tool."
)


def draw(student: ModelFile, key: str, quiet: bool = False) -> None:
    """Draw the button that hands out a student's kit; packing it holds up no page."""
    graphs = {file.entry.precision: file for file in state.workspace().model_files(student) if file.engine == "onnx"}
    missing = len(graphs) < 2
    size = human_bytes(sum(file.entry.bytes for file in graphs.values()))
    hashes = tuple(file.sha256 for file in graphs.values())
    st.download_button(
        "For the tool" if quiet else "Download for the tool",
        data=lambda: packed(hashes, student.stem, student),
        file_name=f"{student.stem}-kit.zip",
        mime="application/zip",
        icon=None if quiet else ":material/deployed_code:",
        type="tertiary" if quiet else "secondary",
        key=key,
        on_click="ignore",
        disabled=missing,
        help="It lacks one of its ONNX graphs." if missing else f"{INSIDE} The graphs are {size}.",
    )


@st.cache_resource(show_spinner=False, max_entries=16)
def packed(hashes: tuple[str, ...], name: str, _student: ModelFile) -> bytes:
    """Return a student's kit; the same weights under the same name are packed once."""
    from wafer_core.kit import kit  # onnx, which no page has to wait for

    return kit(_student, name)
