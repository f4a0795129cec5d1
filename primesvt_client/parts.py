"""Sends the parts of a file: several at a time, straight to the server's storage where the server gives an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from primesvt_client.connection import RETRY_DELAYS, Connection, with_retries
from primesvt_client.errors import ClientError
from primesvt_client.schemas.uploads import PartAddresses, Parts, UploadView

CHUNK = 1 << 18
AT_ONCE = 4
"""Parts in flight at the same time: one line's latencies overlap, and digests use more than one core."""

ADDRESSES_AT_ONCE = 32
DIRECT_RETRY_DELAYS = RETRY_DELAYS[:2]
"""Storage that cannot be reached is not waited for: the server is there, too."""

OnBytes = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


@dataclass
class Progress:
    """Adds up what has been sent of parts that are in flight at the same time."""

    size_bytes: int
    done: int
    on_bytes: OnBytes
    _sent: dict[int, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, number: int, sent: int) -> None:
        """So many bytes of a part; fewer than before if it is sent again."""
        with self._lock:
            self.done += sent - self._sent.get(number, 0)
            self._sent[number] = sent
            self.on_bytes(self.done, self.size_bytes)


@dataclass
class PartSender:
    """Sends parts of one file to one upload."""

    connection: Connection
    upload: UploadView
    path: Path
    progress: Progress
    is_direct: bool = True

    @property
    def parts(self) -> Parts:
        """How the file is cut."""
        return Parts(self.upload.size_bytes, self.upload.part_bytes)

    def send(self, numbers: Sequence[int]) -> None:
        """Send these parts.

        Raises:
            ServerError: the server refused one.
            Unreachable: no attempt was answered.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(numbers), ADDRESSES_AT_ONCE):
                batch = numbers[start : start + ADDRESSES_AT_ONCE]
                addresses = self._addresses(batch)
                sending = [pool.submit(self._send, number, addresses.get(number)) for number in batch]
                try:
                    for sent in as_completed(sending):
                        sent.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _addresses(self, numbers: Sequence[int]) -> dict[int, str]:
        if not self.is_direct:
            return {}
        path = f"uploads/{self.upload.id}/part-urls"
        found = self.connection.post(PartAddresses, path, {"numbers": list(numbers)}).items
        self.is_direct = bool(found)
        return {address.number: address.url for address in found}

    def _send(self, number: int, address: str | None) -> None:
        if address is not None and self.is_direct and self._send_directly(number, address):
            return
        path = f"uploads/{self.upload.id}/parts/{number}"
        headers = self._headers(number)
        with_retries(lambda: self.connection.send("PUT", path, content=self._chunks(number), headers=headers))

    def _send_directly(self, number: int, address: str) -> bool:
        """Send a part to storage; returns whether it arrived. If not, the others are not tried there either."""
        headers = self._headers(number)
        try:
            with_retries(lambda: self.connection.deliver(address, self._chunks(number), headers), DIRECT_RETRY_DELAYS)
        except ClientError:
            self.is_direct = False
            return False
        return True

    def _headers(self, number: int) -> dict[str, str]:
        return {"Content-Type": "application/octet-stream", "Content-Length": str(self.parts.size_of(number))}

    def _chunks(self, number: int) -> Iterator[bytes]:
        sent = 0
        for chunk in self._read(number):
            yield chunk
            sent += len(chunk)
            self.progress.of(number, sent)

    def _read(self, number: int) -> Iterator[bytes]:
        left = self.parts.size_of(number)
        with self.path.open("rb") as file:
            file.seek(self.parts.offset(number))
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise ClientError(f"{self.path} became shorter while it was sent; send it again when it is complete")
