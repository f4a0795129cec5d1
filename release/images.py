"""Pin the images of other makers by digest, in ``docker-compose.yml`` and ``Dockerfile``. ``make pin-images`` runs it.

A digest is what the registry answers (OCI Distribution Specification 1.1, "Pulling manifests"); where none answers, the
files stay as they are. A tag that is pinned already is asked for again, so that this is also how pins are renewed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from release.stages import ReleaseError, say

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "docker-compose.yml", ROOT / "Dockerfile")
IMAGE = re.compile(r"^(\s*image: |FROM )([a-z0-9][a-z0-9._/-]*):([\w.-]+)(@sha256:[0-9a-f]{64})?(?= |$)", re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HUB = "https://registry-1.docker.io"
SECONDS = 20.0
KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1", "docker.distribution.manifest.list.v2", "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)  # fmt: skip
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def images_of(text: str) -> list[tuple[str, str]]:
    """Names and tags of the images that a file takes from elsewhere, once each."""
    return list(dict.fromkeys((found[2], found[3]) for found in IMAGE.finditer(text)))


def pinned(text: str, digests: Mapping[tuple[str, str], str]) -> str:
    """The file with the digests of its images."""

    def with_digest(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}:{found[3]}@{digests[found[2], found[3]]}"

    return IMAGE.sub(with_digest, text)


def repository_of(name: str) -> tuple[str, str]:
    """Where a registry is, and what it calls an image."""
    host, _, rest = name.partition("/")
    if rest and ("." in host or ":" in host):
        return f"https://{host}", rest
    return HUB, name if "/" in name else f"library/{name}"


def digest_of(client: httpx.Client, name: str, tag: str) -> str:
    """What a registry says the digest of a tag is.

    Raises:
        ReleaseError: it does not answer, or with something else.
    """
    registry, repository = repository_of(name)
    address = f"{registry}/v2/{repository}/manifests/{tag}"
    try:
        answer = client.head(address, headers={"Accept": KINDS})
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = _token(client, answer.headers.get("www-authenticate", ""), registry)
            answer = client.head(address, headers={"Accept": KINDS, "Authorization": f"Bearer {token}"})
        answer.raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ReleaseError(f"{urlsplit(registry).netloc} tells no digest of {name}:{tag}: {error}") from None
    digest = str(answer.headers.get("docker-content-digest", ""))
    if not DIGEST.fullmatch(digest):
        raise ReleaseError(f"{urlsplit(registry).netloc} answers for {name}:{tag} without a digest")
    return digest


def _token(client: httpx.Client, challenge: str, registry: str) -> str:
    """A token for reading, from where the registry's challenge says; only by TLS where the registry is reached so."""
    asked = dict(CHALLENGE.findall(challenge))
    realm = asked.pop("realm")
    if urlsplit(realm).scheme != urlsplit(registry).scheme:
        raise ValueError(f"the registry's tokens come from {realm}")
    answer = client.get(realm, params=asked)
    answer.raise_for_status()
    found = answer.json()
    return str(found.get("token") or found["access_token"])


def pin(files: Sequence[Path], digest: Callable[[str, str], str]) -> int:
    """Write the digests into files, all of them or none; how many images there are.

    Raises:
        ReleaseError: a registry tells no digest; no file is changed.
    """
    texts = {path: path.read_text("utf-8") for path in files}
    images = dict.fromkeys(image for text in texts.values() for image in images_of(text))
    digests = {image: digest(*image) for image in images}
    for path, text in texts.items():
        path.write_text(pinned(text, digests), "utf-8")
    return len(digests)


def main() -> int:
    """Pin all images."""
    with httpx.Client(timeout=SECONDS) as client:
        try:
            count = pin(FILES, lambda name, tag: digest_of(client, name, tag))
        except ReleaseError as error:
            say(f"{error}; the files are left as they are")
            return 1
    say(f"{count} images are pinned by digest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
