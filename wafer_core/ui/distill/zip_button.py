"""The button that hands out a student's whole folder as one file."""

from __future__ import annotations

import io
import zipfile

import streamlit as st

from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared.words import human_bytes, plain


def draw(model: ModelFile, key: str) -> None:
    """Draw a button that hands out a model's whole folder as a zip file."""
    st.download_button(
        "Download",
        data=lambda: zipped(model),
        file_name=f"{model.stem}.zip",
        mime="application/zip",
        type="tertiary",
        key=key,
        on_click="ignore",
        help=f"{plain(model.stem)}: weights, ONNX, int8 and card, {human_bytes(_folder_bytes(model))}.",
    )


def zipped(model: ModelFile) -> bytes:
    """Return a model's folder as the bytes of a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in model.folder.iterdir() if path.is_file()):
            archive.write(path, f"{model.folder.name}/{path.name}")
    return packed.getvalue()


def _folder_bytes(model: ModelFile) -> int:
    return sum(path.stat().st_size for path in model.folder.iterdir() if path.is_file())
