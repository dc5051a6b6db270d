"""Tables an engineer takes along, written as a spreadsheet opens them."""

from __future__ import annotations


def csv_file(text: str) -> bytes:
    """Return CSV text as the bytes of a file in UTF-8.

    One that holds more than ASCII begins with a byte-order mark: spreadsheets take an unmarked file for one in the
    code page of their machine, where the `µ` of an id is two other letters.
    """
    return text.encode("ascii" if text.isascii() else "utf-8-sig")
