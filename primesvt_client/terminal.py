"""Text of others on a terminal: names, notes and messages that a server or a file chose control nothing there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # operating system commands: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"  # strings to the device
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor movements
    r"|\x1b[ -/]*[0-~]?"  # all others
)
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u202a-\u202e\u2066-\u2069"  # change the order in which text is shown
    "\udc80-\udc9f]"  # bytes of names on disk, which an 8-bit terminal takes for controls
)


def without_controls(text: str) -> str:
    """A text without escape sequences and control characters; lines and tabulators stay."""
    return CONTROLS.sub("", SEQUENCES.sub("", text))


class Terminal(Console):
    """A console on which only itself moves the cursor, chooses colours or writes links."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as styled text; Rich itself would take only the ends of some sequences away."""
        return super().render_str(without_controls(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of something, their texts without controls."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(without_controls(segment.text), segment.style)
