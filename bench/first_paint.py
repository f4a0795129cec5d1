"""First contentful paint of every page of the dashboard, and the bytes of its scripts: ``python -m bench.first_paint``.

A real server in this process, Debian's Chromium without a cache, desktop and phone. Exits with 1 if the median of a
page needs a second or more, or a page loads more than 700 KB of script. What else computes on the machine counts in.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.chromium import DESKTOP, PHONE, SECONDS, Site, browser, look, serving, sign_in
from tests.support.dashboard import Dashboard
from tests.support.every_page import Shown, every_page

MOST_SECONDS, MOST_SCRIPT_BYTES = 1.0, 700 * 1024
PAINT = "return performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0] ?? null"
SCRIPTS = """
return performance.getEntriesByType("resource")
    .filter(entry => entry.initiatorType === "script" || entry.name.split("?")[0].endsWith(".js"))
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0)
"""


@dataclass(frozen=True)
class Painted:
    """One page: seconds until something of it is seen, one for every round, and bytes of its scripts, unpacked."""

    address: str
    seconds: tuple[float, ...]
    script_bytes: int


def painted(chrome: Chrome, site: Site, page: Shown, rounds: int) -> Painted:
    """Load a page anew so many times."""
    chrome.delete_all_cookies()
    if page.who is not None:
        sign_in(chrome, site, page.who)
    seconds, scripts = [], 0
    for _ in range(rounds):
        chrome.get("about:blank")
        chrome.get(f"{site.address}{page.address}")
        found = WebDriverWait(chrome, SECONDS).until(lambda driver: driver.execute_script(PAINT))
        seconds.append(float(found) / 1000)
        scripts = max(scripts, int(chrome.execute_script(SCRIPTS)))
    return Painted(page.address, tuple(seconds), scripts)


def main() -> int:
    """Fill a service, look at every page, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(Dashboard(folder / "site")) as site, browser(folder / "profile") as chrome:
            pages = [*every_page(site.board)]
            chrome.execute_cdp_cmd("Network.enable", {})
            chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
            for size, called in ((DESKTOP, "desktop"), (PHONE, "phone")):
                look(chrome, size, "light")
                for found in sorted((painted(chrome, site, page, asked.rounds) for page in pages), key=_slowest_first):
                    middle = statistics.median(found.seconds)
                    is_good &= middle < MOST_SECONDS and found.script_bytes <= MOST_SCRIPT_BYTES
                    spread = f"{1000 * min(found.seconds):.0f} to {1000 * max(found.seconds):.0f}"
                    print(
                        f"{called}: {1000 * middle:5.0f} ms ({spread}), {found.script_bytes / 1024:4.0f} KB of script"
                        f"  {found.address[:70]}"
                    )
    return 0 if is_good else 1


def _slowest_first(found: Painted) -> float:
    return -statistics.median(found.seconds)


if __name__ == "__main__":
    sys.exit(main())
