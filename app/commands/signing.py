"""signing-key: the public key of this machine's service."""

from __future__ import annotations

from app.commands.database import DEFAULT_FOLDER, DataDir, settings_of
from primesvt_client.console import out, print_json
from primesvt_client.options import Json


def show_signing_key(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """Print the public key with which 'primesvt verify' checks this service's results; made if there is none yet."""
    from app.signing import signing_key  # imports what --help does without

    key = signing_key(settings_of(data_dir).signing_key)
    if json:
        print_json({"public_key": key.public, "key_id": key.id})
    else:
        out.print(key.public, markup=False, soft_wrap=True)
