"""What the wheel of primesvt-service holds that is no part of a package: the example that ``primesvt demo`` compresses.

A wheel without the example, the dashboard's scripts or the documents is not built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EXAMPLE = ("digits.npz", "spikformer-digits.pth.tar")
SCRIPTS = ("app.js", "charts.js")
SITE = ("index.html", "inline-scripts.txt")


class ServiceHook(BuildHookInterface):  # type: ignore[type-arg]
    """Checks and completes the wheel; an editable installation finds everything in the clone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the example beside the command that compresses it.

        Raises:
            FileNotFoundError: something is missing that every wheel needs.
        """
        if version == "editable":
            return
        root = Path(self.root)
        scripts = [root / "app" / "web" / "static" / "vendor" / name for name in SCRIPTS]
        site = [root / "app" / "web" / "site" / name for name in SITE]
        examples = {root / "examples" / name: f"app/commands/example/{name}" for name in EXAMPLE}
        if missing := [str(path) for path in (*scripts, *site, *examples) if not path.is_file()]:
            raise FileNotFoundError(
                f"no {', '.join(missing)}; `python -m app.web.build` builds the dashboard's scripts,"
                " `python -m app.web.build_site` the documents"
            )
        build_data["force_include"].update({str(path): target for path, target in examples.items()})
