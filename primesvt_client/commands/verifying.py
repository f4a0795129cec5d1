"""verify: whether downloaded results are what a service made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from primesvt_client.console import out, print_json
from primesvt_client.errors import Unusable
from primesvt_client.options import Json


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of downloaded results.", show_default=False)],
    key: Annotated[
        list[str],
        typer.Option(help="Public key of the service, or a file with one a line; may be given several times."),
    ],
    json: Json = False,
) -> None:
    """Verify downloaded results: that a service with that key signed what they are and what they were made from."""
    from primesvt_client.provenance import verify as check  # loads the HTTP client, which help needs not

    statement = check(folder, {raw for one in key for raw in _keys(one)})
    if json:
        print_json(
            {"verified": True, "files": [one.name for one in statement.subject], "predicate": dict(statement.predicate)}
        )
        return
    for subject in statement.subject:
        out.print(f"verified: {subject.name}", markup=False, soft_wrap=True)


def _keys(text: str) -> list[bytes]:
    from primesvt_client.provenance import public_key

    path = Path(text)
    try:
        lines = path.read_text("utf-8").split() if path.is_file() else [text]
    except (OSError, UnicodeError) as error:
        raise Unusable(f"{path} given for --key cannot be read: {error}") from None
    return [public_key(line) for line in lines]
