"""The dashboard's entrance: names the pages and draws what every page shares, the side bar."""

import streamlit as st

from wafer_core.ui import sidebar
from wafer_core.ui.state import PAGES

st.set_page_config(page_title="WaferDistill", page_icon="assets/icon.png", layout="wide")
st.logo("assets/logo.png", icon_image="assets/icon.png", size="large")

page = st.navigation(
    [
        st.Page(script, title=title, icon=icon, url_path=name, default=name == "lot")
        for name, (script, title, icon) in PAGES.items()
    ],
    position="hidden",
)
with st.sidebar:
    sidebar.draw()
page.run()
