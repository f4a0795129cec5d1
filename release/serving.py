"""A server of the installed service: its pages with their scripts, and a job that the installed client submits."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin

import httpx

from release.environments import Environment
from release.stages import need

SECONDS = 60
LINKED = re.compile(r'(?:<script[^>]* src|<link rel="stylesheet" href)="([^"]+)"')
QUICK = ("--max-accuracy-drop", "0.5", "--min-memory-saving", "0.05", "--rates", "0.3", "--search-images", "100")
RESULTS = ("model.safetensors", "report.json", "report.html", "layers.csv")


@dataclass(frozen=True)
class Server:
    """Where it is, and the first key."""

    address: str
    key: str


@contextmanager
def served(place: Environment, data_dir: Path) -> Iterator[Server]:
    """``primesvt serve`` of an environment, ended by Ctrl-C.

    Raises:
        ReleaseError: it does not start, or does not end.
    """
    process = place.start("serve", "--port", "0", "--data-dir", data_dir, "--json")
    try:
        told = _announced(process)
        yield Server(told["server"], told["api_key"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        status = process.wait(SECONDS)
    need(status == 0, f"`primesvt serve` ended with {status}")


def _announced(process: subprocess.Popen[str]) -> dict[str, str]:
    """The JSON document that a server prints when it is ready."""
    lines: list[str] = []
    while process.stdout and "}\n" not in lines[-1:] and (line := process.stdout.readline()):
        lines.append(line)
    need("}\n" in lines[-1:], f"`primesvt serve` ended before it was ready: {''.join(lines)}")
    announced: dict[str, str] = json.loads("".join(lines))
    return announced


def check_page(server: Server) -> None:
    """The dashboard's first page, its style and its script.

    Raises:
        ReleaseError: one of them is missing.
    """
    page = _fetched(server.address).decode()
    linked = [urljoin(server.address, address) for address in LINKED.findall(page)]
    names = {address.partition("?")[0].rpartition("/")[2] for address in linked}
    need({"primesvt.css", "app.js"} <= names, f"the page links {sorted(names)}: style or script is missing")
    for address in (*linked, f"{server.address}/static/vendor/charts.js"):
        need(len(_fetched(address)) > 0, f"{address} is empty")


def _fetched(address: str) -> bytes:
    return httpx.get(address, timeout=SECONDS, follow_redirects=True, trust_env=False).raise_for_status().content


def check_job(client: Environment, server: Server, examples: Path, out: Path) -> None:
    """A job from submission to download, by a client that has nothing else installed.

    Raises:
        ReleaseError: it does not succeed, or a file is missing.
    """
    place = replace(client, variables={"PRIMESVT_SERVER": server.address, "PRIMESVT_API_KEY": server.key})
    checkpoint, data = examples / "spikformer-digits.pth.tar", examples / "digits.npz"
    job = place.document("submit", checkpoint, "--data", data, *QUICK, "--wait")
    need(job["state"] == "succeeded", f"the job ended as {job['state']}")
    place.primesvt("download", job["id"], "--out", out)
    missing = [name for name in RESULTS if not (out / name).is_file()]
    need(not missing, f"the download lacks {', '.join(missing)}")
