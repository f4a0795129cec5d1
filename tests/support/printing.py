"""Pages on paper: what a browser prints, read back from the PDF."""

from __future__ import annotations

import base64
import re
import unicodedata
from io import BytesIO
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

LAST_ROWS = """
    const isShown = (cell) => getComputedStyle(cell).display !== "none";
    const texts = (row) => [...row.cells].filter(isShown).map((cell) => {
        const copy = cell.cloneNode(true);
        for (const one of copy.querySelectorAll(".hidden, .remove, .small, select")) one.remove();
        return copy.textContent;
    });
    return [...document.querySelectorAll("table")].filter((table) => table.rows.length).map(
        (table) => [table.id || table.className, texts(table.rows[table.rows.length - 1])]);
"""
PAPER = {"paperWidth": 8.27, "paperHeight": 11.69}
"""A4, in inches."""


def print_to(path: Path, chrome: Chrome) -> str:
    """Print the page to a PDF; returns its text without white space, which says nothing in a PDF."""
    pypdf = pytest.importorskip("pypdf", reason="pypdf, which reads the printed pages, is not installed")
    printed = chrome.execute_cdp_cmd("Page.printToPDF", {**PAPER, "printBackground": False})
    path.write_bytes(base64.b64decode(printed["data"]))
    pages = pypdf.PdfReader(BytesIO(path.read_bytes())).pages
    return closed("".join(page.extract_text() for page in pages))


def closed(text: str) -> str:
    """A text without its white space and ligatures."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def lost_rows(chrome: Chrome, text: str) -> list[str]:
    """Tables of the page of whose last rows the printed text lacks something, with what it lacks."""
    rows: list[tuple[str, list[str]]] = chrome.execute_script(LAST_ROWS)
    return [f"{table}: {cell}" for table, cells in rows for cell in cells if closed(cell) not in text]
