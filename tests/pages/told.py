"""What a page under test tells: its address and its texts."""

from streamlit.testing.v1 import AppTest


def address(page: AppTest, name: str) -> str | None:
    """Return a parameter of the address as it stands by now, or None."""
    value = page.query_params.get(name)
    return value[-1] if isinstance(value, list) else value


def texts(page: AppTest) -> str:
    """Return everything the page says, in one text."""
    alerts = (page.info, page.success, page.warning, page.error)
    kinds = (page.title, page.subheader, page.caption, page.markdown, *alerts)
    told = "\n".join(str(element.value) for kind in kinds for element in kind)
    return told.replace("\N{NO-BREAK SPACE}", " ")
