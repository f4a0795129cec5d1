"""axe-core, run in the page that a browser shows: what people with assistive technology could not use."""

from __future__ import annotations

from pathlib import Path

from selenium.webdriver import Chrome

from tests.support.servers import missing

SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""Of the development dependencies of package.json; no page of the service loads it."""

IMPACTS = ("serious", "critical")
RUN = """
    const [impacts, done] = arguments;
    const told = ({id, impact, nodes}) => nodes.map(({target}) => `${impact} ${id}: ${target.join(" ")}`);
    axe.run(document, {resultTypes: ["violations"]}).then(
        ({violations}) => done(violations.filter(({impact}) => impacts.includes(impact)).flatMap(told)),
        (error) => done([String(error)]),
    );
"""


def require_axe() -> str:
    """The script; skips the test where it is not installed."""
    if not SCRIPT.is_file():
        missing(f"axe-core is not installed: `npm ci` brings it to {SCRIPT}")
    return SCRIPT.read_text(encoding="utf-8")


def findings(chrome: Chrome, script: str) -> list[str]:
    """What is serious or critical on the page, folded parts included, as "impact rule: place"."""
    chrome.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    chrome.execute_script(f"if (!window.axe) {{ {script} }}")
    found: list[str] = chrome.execute_async_script(RUN, IMPACTS)
    return found
