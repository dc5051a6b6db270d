"""The dashboard's entrance: draws what every page shares, the side bar, and runs the page asked for."""

from pathlib import Path

import streamlit as st

from wafer_core.ui.shared import sidebar, state

ASSETS = Path(__file__).parent / "assets"
SIDEBAR_WIDTH = 248

page = state.navigation()
st.set_page_config(
    f"{page.title} · WaferDistill", ASSETS / "icon.png", layout="wide", initial_sidebar_state=SIDEBAR_WIDTH
)
st.logo(ASSETS / "logo.png", icon_image=ASSETS / "icon.png", size="large")

state.check_workspace()
with st.sidebar:
    sidebar.draw()
page.run()
