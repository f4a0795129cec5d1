"""How much a checkpoint may declare before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that honest files keep with room to spare, and at which no file costs more than seconds.

    Attributes:
        pickle_bytes: structure of a file, without its tensors; the largest public SViT checkpoint has 0.3 MB.
        opcodes: instructions of that structure; a tensor takes about 40, an optimizer's states included.
        tensors: tensors in a file, optimizer states included; the largest public one has about 6,000.
        nodes: containers and values of the pickle, shared ones counted each time they are met.
        depth: nesting of containers; a call, as of an ordered dict or a tensor, is two.
        name_length: characters of a tensor's name.
        expansion: bytes of all tensors written out, as a multiple of the file's size (views may share storage).
        header_bytes: header of a safetensors file.
    """

    pickle_bytes: int = 8 << 20
    opcodes: int = 600_000
    tensors: int = 15_000
    nodes: int = 2_000_000
    depth: int = 64
    name_length: int = 256
    expansion: int = 4
    header_bytes: int = 4 << 20
