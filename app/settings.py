"""Settings of a process, from its environment; nothing else reads the environment."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import URL

from primesvt_client.errors import ReportedError, without_type
from primesvt_client.spec_types import LARGEST

PREFIX = "PRIMESVT_"
PRIVATE_UMASK = 0o077

FROM_FILES = ("database_url", "broker_url", "oidc_client_secret")
"""Settings that hold a password or key: `PRIMESVT_DATABASE_URL_FILE` names a file that `database_url` stands in, and so
on, as container engines and systemd hand secrets over. The storage's are boto3's (`AWS_SHARED_CREDENTIALS_FILE`).
"""
LONGEST_SECRET = 1 << 16
"""Bytes of such a file; a longer one is another file, given by mistake."""


class WrongSettings(ReportedError):
    """Variables of the environment, or a folder, that no process can work with; the message names them."""

    code = "invalid_settings"
    is_input = True


def given_folder(path: Path) -> Path:
    """A folder as people give it, as an absolute path.

    Raises:
        WrongSettings: it is in the home of nobody.
    """
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:
        raise WrongSettings(f"there is no folder {path}: {error}") from None


def private_umask() -> None:
    """What this process makes from now on is its user's alone: weights and data of teams, their database, logs."""
    os.umask(PRIVATE_UMASK)


def refuse_shared_folders(settings: Settings) -> None:
    """Make sure that nobody but this process's user can replace what the service keeps in folders.

    Raises:
        WrongSettings: others may write into one.
    """
    for path in settings.own_folders():
        refuse_shared_folder(path)


def refuse_shared_folder(path: Path) -> None:
    """Make sure that nobody but this process's user can replace what is in a folder; one that is not there is fine.

    Raises:
        WrongSettings: others may write into it.
    """
    try:
        found = path.stat()
    except OSError:
        return  # whoever uses it says what is wrong
    if found.st_uid not in (0, os.geteuid()):
        raise WrongSettings(
            f"the data folder {path} belongs to another user, who could change a team's files in it; choose another"
            f" folder, or give it to the service's user: chown -R {getpass.getuser()} {path}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise WrongSettings(
            f"other users may write into the data folder {path} and could change a team's files in it; choose another"
            f" folder, or take that from them: chmod go-w {path}"
        )


def _file_variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}_FILE"


def _secrets(env: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What stands in the files that variables name.

    Raises:
        WrongSettings: a secret is given twice, or its file has none.
    """
    named = {name: env[_file_variable(name)] for name in FROM_FILES if env.get(_file_variable(name))}
    for name in named.keys() & given.keys():
        both = f"{PREFIX}{name.upper()} and {_file_variable(name)}"
        raise WrongSettings(f"the environment is wrong: {both} are both set; take one of them away")
    return {name: _secret(_file_variable(name), Path(path)) for name, path in named.items()}


def _secret(variable: str, path: Path) -> str:
    """The line that a file holds. Its content is not quoted in errors: it may be a password.

    Raises:
        WrongSettings: it cannot be read, or is not one line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
        text = content.decode("utf-8").strip()
    except OSError as error:
        raise WrongSettings(f"the environment is wrong: {variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongSettings(f"the environment is wrong: {variable}: {path} is no text in UTF-8") from None
    if not text or len(content) > LONGEST_SECRET or not text.isprintable():
        wrong = "is empty" if not text else "is not one line of text"
        raise WrongSettings(f"the environment is wrong: {variable}: {path} {wrong}; write the secret into it, alone")
    return text


class Settings(BaseModel):
    """One process's settings; ``PRIMESVT_DATABASE_URL`` sets ``database_url``, and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data_dir: Path = Field(default=Path("primesvt-data"), description="Folder for everything kept on this machine.")
    database_url: str = Field(
        default="", description="sqlite:///… or postgresql+psycopg://…; SQLite in data_dir if empty."
    )
    broker_url: str = Field(default="redis://127.0.0.1:6379/0", description="redis://… or redis+socket:///….")
    storage_url: str = Field(default="", description="file:///… or s3://bucket/prefix; a folder in data_dir if empty.")
    s3_endpoint: str = Field(default="", description="Endpoint of an S3-compatible store; AWS if empty.")
    s3_public_endpoint: str = Field(
        default="",
        description="Where clients reach that store, to send and fetch files themselves; through the API if empty.",
    )
    s3_timeout_seconds: float = Field(
        default=20, gt=0, description="A store that is silent this long is asked again; keep it under the lease."
    )
    scratch_dir: str = Field(
        default="",
        description="Folder that uploads are unpacked in while they are looked into, best on a volume of its own; in"
        " data_dir if empty.",
    )
    keep_free_bytes: int = Field(
        default=128 << 20,
        ge=0,
        description="Free space that uploads leave on every disk: below it their parts are refused (507), and looking"
        " into them waits.",
    )
    max_upload_bytes: int = Field(default=64 << 30, gt=0, le=LARGEST, description="Largest upload.")
    part_bytes: int = Field(default=16 << 20, gt=0, description="Size of an upload's parts, the last one aside.")
    upload_expiry_seconds: float = Field(
        default=86_400, gt=0, description="Unfinished uploads are forgotten after this."
    )
    lease_seconds: float = Field(default=30, gt=0, description="A worker that is silent this long has lost its job.")
    heartbeat_seconds: float = Field(default=2, gt=0, description="How often a worker renews its lease.")
    stall_seconds: float = Field(default=3600, gt=0, description="A step without progress for this long is stopped.")
    validation_seconds: float = Field(default=900, gt=0, description="Looking into an upload may take this long.")
    reconcile_seconds: float = Field(
        default=5, gt=0, description="How often lost notifications and leases are looked for."
    )
    max_attempts: int = Field(default=5, gt=0, description="A job whose worker dies this often has failed.")
    retry_seconds: float = Field(
        default=5, ge=0, description="Wait before a job whose worker died is tried a third time; longer each time."
    )
    share_seconds: float = Field(
        default=30, ge=0, description="A profile that would take one worker longer than this is shared with idle ones."
    )
    worker_devices: str = Field(
        default="", pattern=r"^$|^(cpu|cuda)(,(cpu|cuda))*$", description="cpu or cpu,cuda; found out if empty."
    )
    webhook_private_network: bool = Field(
        default=False, description="Webhooks may go to private addresses, any port and http, as in a closed network."
    )
    child_memory_bytes: int = Field(
        default=0, ge=0, description="Memory of a computing process; 0 for child_memory_share of the machine's."
    )
    child_memory_share: float = Field(
        default=0.9, ge=0, description="Of this machine's memory, or this container's, as a fraction; 0 for no limit."
    )
    job_seconds: float = Field(
        default=604_800, ge=0, description="A computing process may run this long, then its job fails; 0 for no limit."
    )
    validation_memory_bytes: int = Field(
        default=8 << 30, ge=0, description="Memory of a process that validates an upload; 0 for no limit."
    )
    validation_cpu_seconds: int = Field(default=60, ge=0, description="Processor time of the same; 0 for no limit.")
    validation_cpu_ms_per_picture: int = Field(
        default=20, ge=0, description="Processor time that a data set may take beside it for every picture."
    )
    validation_file_bytes: int = Field(
        default=64 << 30, ge=0, description="Size of any file that the same writes; 0 for no limit."
    )
    validation_scratch_bytes: int = Field(
        default=64 << 30,
        ge=0,
        description="What an upload may unpack to while it is looked into, beside what its team may store; 0 for no"
        " limit.",
    )
    signing_key_file: str = Field(
        default="",
        description="Key that signs results (Ed25519, PEM), the same for all workers; one in data_dir if empty.",
    )
    public_url: str = Field(default="", description="Address that people reach the service at; the request's if empty.")
    allowed_hosts: str = Field(
        default="",
        description="Names that requests may ask for, with commas between them, beside localhost, this machine's name,"
        " public_url's and any address; * for all.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of proxies that are believed whom they ask for, with commas between them.",
    )
    oidc_issuer: str = Field(default="", description="OpenID provider that people may sign in with; none if empty.")
    oidc_client_id: str = Field(default="", description="What the provider calls this service.")
    oidc_client_secret: str = Field(default="", repr=False, description="The secret shared with the provider.")
    oidc_name: str = Field(default="single sign-on", description="What the sign-in page calls the provider.")
    requests_per_minute: int = Field(default=6000, ge=0, description="Of one key or person; 0 for no limit.")
    anonymous_requests_per_minute: int = Field(
        default=300, ge=0, description="From one address, without a valid key; 0 for no limit."
    )
    sign_in_attempts: int = Field(
        default=10, ge=0, description="For one person in a quarter of an hour; ten times as many from one address."
    )
    team_storage_bytes: int = Field(default=0, ge=0, le=LARGEST, description="What a team may store; 0 for no limit.")
    team_uploads: int = Field(
        default=10_000, ge=0, le=LARGEST, description="Uploads that a team may hold, empty ones too; 0 for no limit."
    )
    team_unfinished_jobs: int = Field(
        default=0, ge=0, le=LARGEST, description="Jobs of a team that wait or run; 0 for no limit."
    )
    team_gpu_minutes: int = Field(
        default=0, ge=0, le=LARGEST, description="GPU minutes of a team a month; 0 for no limit."
    )
    metrics_address: str = Field(
        default="",
        pattern=r"^$|^[^/]*:\d{1,5}$",
        description="Where Prometheus finds this process, as 127.0.0.1:9100; nowhere if empty.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=False, description="One JSON object a line instead of text.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        """Raises: ValueError: if one is neither an address nor a network."""
        for entry in filter(None, map(str.strip, value.split(","))):
            ip_network(entry)
        return value

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read ``PRIMESVT_*``, and the files that some of them name; unset and empty variables keep their defaults.

        Raises:
            WrongSettings: naming the variables that are wrong.
        """
        fields = {name: env[PREFIX + name.upper()] for name in cls.model_fields if env.get(PREFIX + name.upper())}
        fields |= _secrets(env, fields)
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            wrong = [f"{PREFIX}{str(e['loc'][0]).upper()}: {without_type(e['msg'])}" for e in error.errors()]
            raise WrongSettings("the environment is wrong: " + "; ".join(wrong)) from None

    def environment(self) -> dict[str, str]:
        """The variables from which `from_env` makes these settings again, for a child process.

        Those that name files are empty: what was in them is said, and a child inherits what its parent was given.
        """
        values = {PREFIX + name.upper(): str(value) for name, value in self.model_dump(mode="json").items()}
        return values | dict.fromkeys(map(_file_variable, FROM_FILES), "")

    @property
    def database(self) -> str | URL:
        """URL of the database."""
        return self.database_url or URL.create("sqlite", database=str(self.data_dir.resolve() / "primesvt.sqlite3"))

    @property
    def storage(self) -> str:
        """URL of the object storage."""
        return self.storage_url or (self.data_dir.resolve() / "blobs").as_uri()

    def own_folders(self) -> tuple[Path, ...]:
        """Folders of this machine that nobody else may write into."""
        storage = urlsplit(self.storage)
        return (self.data_dir, Path(unquote(storage.path))) if storage.scheme == "file" else (self.data_dir,)

    @property
    def scratch(self) -> Path:
        """Where uploads are unpacked while they are looked into."""
        return Path(self.scratch_dir).expanduser().resolve() if self.scratch_dir else self.workspaces

    @property
    def signing_key(self) -> Path:
        """Where the key lies that signs results."""
        return Path(self.signing_key_file) if self.signing_key_file else self.data_dir.resolve() / "signing-key.pem"

    @property
    def workspaces(self) -> Path:
        """Where jobs keep what they remember between attempts."""
        return self.data_dir.resolve() / "workspaces"
