"""Servers by name, each with its key: a file of one's own, which nobody else may read.

    [lab]
    server = "https://primesvt.example.org"
    api_key = "psvt_..."

It lies at ``~/.config/primesvt/profiles.toml`` (below ``XDG_CONFIG_HOME`` where that is set), or where
``PRIMESVT_PROFILES`` says.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from primesvt_client.errors import Unusable

FILE_VARIABLE, PROFILE_VARIABLE = "PRIMESVT_PROFILES", "PRIMESVT_PROFILE"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
FIELDS = ("server", "api_key")
LARGEST_BYTES = 1 << 20
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A server and the key that opens it; the key is in no representation."""

    server: str
    api_key: str

    def __repr__(self) -> str:
        return f"Profile(server={self.server!r}, api_key='...')"


def profiles_file() -> Path:
    """Where profiles are kept."""
    if given := os.environ.get(FILE_VARIABLE):
        return Path(given)
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "primesvt" / "profiles.toml"


def read_profiles(path: Path) -> Mapping[str, Profile]:
    """The profiles of a file, by name; none where there is no file.

    Raises:
        Unusable: others may read or change it, or it is no such file; keys are never in the message.
    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unusable(f"the profiles {path} cannot be read: {error.strerror}") from None
    try:
        document = tomllib.loads(content.decode()) if len(content) <= LARGEST_BYTES else None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):  # whose message may quote a line
        document = None
    if document is None:
        raise Unusable(f'the profiles {path} are no TOML document; write [NAME], server = "...", api_key = "..."')
    return {name: _profile(path, name, fields) for name, fields in document.items()}


def find_profile(name: str, path: Path | None = None) -> Profile:
    """One profile.

    Raises:
        Unusable: there is none of that name, or the file cannot be used.
    """
    place = path or profiles_file()
    found = read_profiles(place)
    if name not in found:
        there = f"there are: {', '.join(sorted(found))}" if found else "there is none yet"
        raise Unusable(f"no profile {name!r} in {place}; {there}. 'primesvt profiles add NAME --server URL' makes one")
    return found[name]


def write_profiles(path: Path, profiles: Mapping[str, Profile]) -> None:
    """Write all profiles anew; nobody else can read the file at any time.

    Raises:
        Unusable: it cannot be written.
    """
    text = "\n".join(
        f"[{name}]\nserver = {json.dumps(one.server)}\napi_key = {json.dumps(one.api_key)}\n"
        for name, one in sorted(profiles.items())
    )
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise Unusable(f"the profiles {path} cannot be written: {error.strerror}") from None


def check_name(name: str) -> None:
    """Refuse a name that is none.

    Raises:
        Unusable: with what a name is.
    """
    if NAME.fullmatch(name) is None:
        raise Unusable(f"{name!r} is no name of a profile: letters, digits, - and _, at most 64")


def _check_private(path: Path, status: os.stat_result) -> None:
    """Refuse a file that others may read or change: they would have the key, or send it to another server."""
    if status.st_uid != os.getuid():
        raise Unusable(f"the profiles {path} belong to another user; use a file of your own")
    if status.st_mode & FOR_OTHERS:
        raise Unusable(f"other users may read or change the profiles {path}, which hold keys: chmod 600 {path}")


def _profile(path: Path, name: str, fields: object) -> Profile:
    if not isinstance(fields, dict) or NAME.fullmatch(name) is None:
        raise Unusable(f'{name[:64]!r} in {path} is no profile: write [NAME], server = "...", api_key = "..."')
    missing = [field for field in FIELDS if not isinstance(fields.get(field), str) or not fields[field]]
    unknown = sorted(fields.keys() - {*FIELDS})
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)}, which nobody reads"
        raise Unusable(f"the profile {name!r} in {path} {wrong}; it has {' and '.join(FIELDS)}")
    return Profile(server=fields["server"], api_key=fields["api_key"])
