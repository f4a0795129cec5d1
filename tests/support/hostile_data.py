"""Data sets that nobody should believe, made on the spot: archives, pictures and arrays that lie, lead out or explode.

Each entry of `HOSTILE` makes one file and says with which codes it may be refused; ``ready`` where it only looks odd.
"""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet as pq

from tests.support.thorough import times

READY = "ready"
UNSAFE, FORMAT, BROKEN, EMPTY, CLASSES = (
    "data_unsafe", "data_format", "data_undecodable", "data_empty", "data_classes",
)  # fmt: skip
MEGABYTE = 1 << 20
CANARY = "primesvt-canary"


@dataclass(frozen=True)
class Hostile:
    """One file: its name as the client gives it, its content, and the verdicts that are right."""

    name: str
    make: Callable[[], bytes]
    wanted: tuple[str, ...]


class Program:
    """What is run where a pickle is believed."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({CANARY!r}, 'w').close()",)


def picture(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that declares a size, with chunks of one's own."""
    declared = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in (declared, *chunks, (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return content


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def good_members(last: str = "b/2.png", content: bytes | None = None) -> list[tuple[str, bytes]]:
    """Two honest pictures, and one that need not be."""
    return [("a/1.png", picture()), ("b/1.png", picture()), (last, picture() if content is None else content)]


def in_zip(name: str, content: bytes | None = None) -> Callable[[], bytes]:
    return lambda: zipped(*good_members(name, content))


def of_picture(content: Callable[[], bytes], name: str = "a/0.png") -> Callable[[], bytes]:
    """A zip whose first picture, which is looked at, is this."""
    return lambda: zipped((name, content()), ("b/1.png", picture()))


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


def random_tar() -> bytes:
    """An honest tar that compression does not make smaller."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "BMP")
    return tarred(*((tarfile.TarInfo(f"{name}/1.bmp"), buffer.getvalue()) for name in "ab"))


def symlink_in_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("a/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def overlapping_zip() -> bytes:
    """Many names for one member: every one of them unpacks to the same 64 MiB."""
    body = zlib.compress(bytes(64 * MEGABYTE), 9)[2:-4]
    crc = zlib.crc32(bytes(64 * MEGABYTE))
    sizes = struct.pack("<III", crc, len(body), 64 * MEGABYTE)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", 7, 0) + b"a/0.png" + body
    names = [f"a/{number}.png".encode() for number in range(100)]
    central = b"".join(
        b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
        + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
        for name in names
    )  # fmt: skip
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(central), len(local), 0)
    return local + central + end


def large_member_in_zip() -> bytes:
    return zipped(("a/1.png", bytes(65 * MEGABYTE)), ("b/1.png", picture()))


def nested_zip(depth: int) -> bytes:
    content = zipped(*good_members())
    for level in range(depth):
        content = zipped((f"{level}.zip", content))
    return content


def many_members() -> bytes:
    return zipped(*((f"{n % 10}/{n}.png", b"") for n in range(times(6_000, 60_000))), compression=zipfile.ZIP_STORED)


def lying_directory() -> bytes:
    """The end of the archive promises more members than there are."""
    content = bytearray(zipped(*good_members()))
    content[-14:-10] = struct.pack("<HH", 60_000, 60_000)
    return bytes(content)


def encrypted_zip() -> bytes:
    content = bytearray(zipped(*good_members()))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry, content in members:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def in_tar(name: str, **fields: object) -> Callable[[], bytes]:
    """A tar whose last member has this name, and is perhaps no file."""

    def make() -> bytes:
        odd = tarfile.TarInfo(name)
        for field, value in fields.items():
            setattr(odd, field, value)
        content = b"" if fields else picture()
        honest = [(tarfile.TarInfo(honest), body) for honest, body in good_members()]
        return tarred(*honest, (odd, content))

    return make


def sized_tar(size: bytes) -> Callable[[], bytes]:
    """A tar whose first header declares a size of one's own."""

    def make() -> bytes:
        header = bytearray(tarfile.TarInfo("a/1.png").tobuf())
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + picture().ljust(512, b"\0") + bytes(1024)

    return make


def gzip_of_zeros() -> bytes:
    """Pictures of 60 MiB of zeros, 40 of them, in one stream of gzip."""
    entry = tarfile.TarInfo("a/1.png")
    entry.size = 60 * MEGABYTE
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(entry.tobuf() + bytes(entry.size)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * 40 + packer.flush() + bytes(8)


def streams_of_zeros() -> bytes:
    """The same as one stream of xz after another."""
    entry = tarfile.TarInfo("a/1.png")
    entry.size = 60 * MEGABYTE
    return lzma.compress(entry.tobuf() + bytes(entry.size), preset=0) * 40


def long_class_names() -> bytes:
    return zipped(*((f"{number:05}{'x' * 200}/1.png", b"") for number in range(6_000)))


def long_header() -> bytes:
    """A header for a long name that is 2 GiB long."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2 << 30
    return gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(MEGABYTE))


def npz(images: bytes, labels: bytes | None = None) -> Callable[[], bytes]:
    return lambda: zipped(
        ("images.npy", images), ("labels.npy", npy(np.zeros(2, np.int64)) if labels is None else labels)
    )


def npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_of(header: str, content: bytes = bytes(2 * 64)) -> bytes:
    """An array file with a header of one's own."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def declared(shape: str, dtype: str = "|u1") -> bytes:
    return npy_of(f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}")


def arrays(*names: str) -> Callable[[], bytes]:
    return lambda: zipped(*((f"{name}.npy", npy(np.zeros((2, 8, 8), np.uint8))) for name in names))


def parquet(**columns: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer)
        return buffer.getvalue()

    return make


def frames(content: bytes) -> Callable[[], bytes]:
    return lambda: zipped(("0/a.npz", zipped(("frames.npy", content))), ("1/b.npz", zipped(("frames.npy", content))))


def nested(depth: int) -> Any:
    return {"inside": nested(depth - 1)} if depth else 0


def array_in_pickle(shape: str) -> bytes:
    """A CIFAR batch whose pixels claim another shape than their bytes have."""
    content = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, 4)
    return content.replace(b"K\x02M\x00\x0c\x86", shape.encode("latin1"))


def pickled_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Program(), Program()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def idx(name: str, head: bytes, content: bytes) -> list[tuple[str, bytes]]:
    labels = struct.pack(">HBBI", 0, 8, 1, 2) + bytes(2)
    return [(f"{name}-images-idx3-ubyte", head + content), (f"{name}-labels-idx1-ubyte", labels)]


def in_idx(*shape: int, code: int = 8) -> Callable[[], bytes]:
    head = struct.pack(">HBB", 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return lambda: zipped(*idx("t10k", head, bytes(64)))


def cifar(batch: bytes) -> Callable[[], bytes]:
    meta = pickle.dumps({"label_names": ["a", "b"]}, protocol=2)
    names = ("cifar-10-batches-py/batches.meta", "cifar-10-batches-py/test_batch")
    return lambda: tarred(*zip(map(tarfile.TarInfo, names), (meta, batch), strict=True))


def deep_pickle() -> bytes:
    return b"\x80\x02" + b"]" * 400_000 + b"a" * 399_999 + b"."


LINKS: Mapping[str, dict[str, Any]] = {
    "symlink": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hardlink": {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"},
    "character device": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
    "block device": {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0},
    "pipe": {"type": tarfile.FIFOTYPE},
}
GIANT = 60_000

HOSTILE: Mapping[str, Hostile] = {
    # what only looks odd
    "picture with another ending": Hostile("a.zip", of_picture(lambda: picture("JPEG")), (READY,)),
    "archive with another ending": Hostile("set.png", in_zip("b/2.png"), (READY,)),
    "names that mean something elsewhere": Hostile(
        "=cmd|' /C calc'!A0.zip", in_zip("<script>alert(1)</script>/2.png"), (READY,)
    ),
    "a member twice": Hostile("a.zip", lambda: zipped(*good_members("b/3.png")) , (READY,)),
    "zip: lying directory": Hostile("a.zip", lying_directory, (READY,)),
    "carried archive": Hostile("a.zip", lambda: nested_zip(1), (READY,)),
    # names that lead out
    "zip: parent folder": Hostile("a.zip", in_zip("../../b/2.png"), (UNSAFE,)),
    "zip: absolute": Hostile("a.zip", in_zip("/etc/b/2.png"), (UNSAFE,)),
    "zip: other system": Hostile("a.zip", in_zip("b\\..\\..\\2.png"), (UNSAFE,)),
    "zip: symlink": Hostile("a.zip", symlink_in_zip, (UNSAFE,)),
    "zip: two names": Hostile(
        "a.zip", lambda: patched(zipped(*good_members("b/2_png.png")), b"b/2_png.png", b"b/2\0png.png"),
        (UNSAFE, BROKEN, FORMAT),
    ),
    "tar: parent folder": Hostile("a.tar", in_tar("../../b/2.png"), (UNSAFE,)),
    "tar: absolute": Hostile("a.tar", in_tar("/etc/b/2.png"), (UNSAFE,)),
    **{f"tar: {what}": Hostile("a.tar", in_tar("b/2.png", **fields), (UNSAFE,)) for what, fields in LINKS.items()},
    # what explodes
    "zip: one body, many members": Hostile("a.zip", overlapping_zip, (UNSAFE,)),
    "zip: large member": Hostile("a.zip", large_member_in_zip, (UNSAFE,)),
    "zip: archives in archives": Hostile("a.zip", lambda: nested_zip(6), (EMPTY, FORMAT, UNSAFE)),
    "zip: very many members": Hostile("a.zip", many_members, (BROKEN,)),
    "tar: gzip of zeros": Hostile("a.tar.gz", gzip_of_zeros, (UNSAFE,)),
    "tar: xz of zeros": Hostile("a.tar.xz", streams_of_zeros, (UNSAFE, BROKEN)),
    "long names of classes": Hostile("a.zip", long_class_names, (CLASSES,)),
    "tar: endless header": Hostile("a.tar.gz", long_header, (UNSAFE, BROKEN, FORMAT)),
    "tar: 8 EiB": Hostile("a.tar", sized_tar(b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7), (UNSAFE, BROKEN, FORMAT)),
    "tar: negative size": Hostile("a.tar", sized_tar(b"\xff" * 11 + b"\x00"), (UNSAFE, BROKEN, FORMAT)),
    # what lies about itself
    "zip: encrypted": Hostile("a.zip", encrypted_zip, (FORMAT,)),
    "zip: cut short": Hostile("a.zip", lambda: zipped(*good_members())[:-30], (FORMAT, BROKEN)),
    "tar: cut short": Hostile("a.tar", lambda: in_tar("b/2.png")()[:700], (FORMAT, BROKEN, EMPTY)),
    "gzip: cut short": Hostile("a.tar.gz", lambda: gzip.compress(random_tar())[:-2000], (FORMAT, BROKEN)),
    "nothing": Hostile("a.zip", lambda: b"", (FORMAT,)),
    "a page": Hostile("a.zip", lambda: b"<html><script>alert(1)</script></html>", (FORMAT,)),
    "an empty archive": Hostile("a.zip", zipped, (EMPTY, FORMAT)),
    # pictures
    "PNG bomb": Hostile("a.zip", of_picture(lambda: png(GIANT, GIANT)), (UNSAFE,)),
    "PNG with endless text": Hostile(
        "a.zip",
        of_picture(lambda: png(8, 8, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 * MEGABYTE), 9)))),
        (BROKEN, UNSAFE),
    ),
    "GIF bomb": Hostile(
        "a.zip", of_picture(lambda: b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b";", "a/0.gif"),
        (UNSAFE, BROKEN),
    ),
    "JPEG bomb": Hostile(
        "a.zip",
        of_picture(
            lambda: patched(picture("JPEG"), b"\x08\x00\x08\x00\x08\x03", b"\x08\xff\xdc\xff\xdc\x03"), "a/0.jpg"
        ),
        (UNSAFE,),
    ),
    "BMP bomb": Hostile(
        "a.zip",
        of_picture(
            lambda: patched(picture("BMP"), struct.pack("<ii", 8, 8), struct.pack("<ii", GIANT, GIANT)), "a/0.bmp"
        ),
        (UNSAFE,),
    ),
    "PPM bomb": Hostile("a.zip", of_picture(lambda: b"P6 60000 60000 255\n" + bytes(64), "a/0.ppm"), (UNSAFE,)),
    "TIFF bomb": Hostile(
        "a.zip",
        of_picture(
            lambda: patched(
                patched(picture("TIFF"), struct.pack("<HHII", 256, 4, 1, 8), struct.pack("<HHII", 256, 4, 1, GIANT)),
                struct.pack("<HHII", 257, 4, 1, 8), struct.pack("<HHII", 257, 4, 1, GIANT),
            ),
            "a/0.tif",
        ),
        (UNSAFE,),
    ),
    "PNG cut short": Hostile("a.zip", of_picture(lambda: picture()[:-25]), (BROKEN,)),
    "text for a picture": Hostile("a.zip", of_picture(lambda: b"no picture"), (BROKEN,)),
    "program for a picture": Hostile(
        "a.zip", of_picture(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"), (BROKEN,)
    ),
    # arrays
    "npz: pickled objects": Hostile("a.npz", npz(pickled_npy()), (UNSAFE, BROKEN)),
    "npz: pickled labels": Hostile("a.npz", npz(npy(np.zeros((2, 8, 8), np.uint8)), pickled_npy()), (UNSAFE, BROKEN)),
    "npz: lying shape": Hostile("a.npz", npz(declared("(2, 4096, 4096)")), (BROKEN, UNSAFE)),
    "npz: giant shape": Hostile("a.npz", npz(declared("(9000000000, 9000, 9000)")), (UNSAFE,)),
    "npz: negative shape": Hostile("a.npz", npz(declared("(-2, 8, 8)")), (UNSAFE, BROKEN, FORMAT)),
    "npz: endless nesting": Hostile("a.npz", npz(npy_of("(" * 9_000)), (BROKEN,)),
    "npz: program in its header": Hostile("a.npz", npz(npy_of(f"open('{CANARY}', 'w')")), (BROKEN,)),
    "npz: compressed zeros": Hostile(
        "a.npz", npz(declared("(2, 25000, 25000)") + bytes(128 * MEGABYTE)), (UNSAFE, BROKEN)
    ),
    "npz: endless labels": Hostile(
        "a.npz", npz(npy(np.zeros((2, 8, 8), np.uint8)), npy(np.array([0, 2**62]))), (CLASSES,)
    ),
    "npz: negative labels": Hostile(
        "a.npz", npz(npy(np.zeros((2, 8, 8), np.uint8)), npy(np.array([0, -1]))), (CLASSES,)
    ),
    "npz: complex": Hostile("a.npz", npz(npy(np.zeros((2, 8, 8), np.complex64))), (FORMAT,)),
    "npz: records": Hostile("a.npz", npz(npy(np.zeros((2, 8, 8), [("a", "u1")]))), (FORMAT,)),
    "idx: lying header": Hostile("a.zip", in_idx(2**32 - 1, 2**32 - 1, 2**32 - 1), (UNSAFE,)),
    "idx: too little": Hostile("a.zip", in_idx(2, 28, 28), (BROKEN,)),
    "idx: unknown type": Hostile("a.zip", in_idx(2, 4, 4, code=0x55), (FORMAT,)),
    "idx: no images": Hostile("a.zip", in_idx(2, 0, 0), (FORMAT, EMPTY)),
    "cifar: program": Hostile("a.tar", cifar(pickle.dumps({b"data": Program(), b"labels": [0]}, 2)), (UNSAFE, FORMAT)),
    "cifar: program alone": Hostile("a.tar", cifar(pickle.dumps(Program(), 2)), (UNSAFE, FORMAT)),
    "cifar: endless nesting": Hostile("a.tar", cifar(deep_pickle()), (UNSAFE, FORMAT)),
    "cifar: lying shape": Hostile("a.tar", cifar(array_in_pickle("K\x7fM\x00\x0c\x86")), (FORMAT,)),
    "cifar: shape that is none": Hostile("a.tar", cifar(array_in_pickle("K\x02N\x86")), (FORMAT, UNSAFE)),
    "cifar: shape below zero": Hostile(
        "a.tar", cifar(array_in_pickle("J\xff\xff\xff\xffM\x00\x0c\x86")), (FORMAT, UNSAFE)
    ),
    "npz: endless names": Hostile("a.npz", arrays(*(f"{letter * 60_000}" for letter in "abcdefg")), (FORMAT,)),
    "npz: other names": Hostile("a.npz", arrays("a", "b"), (FORMAT,)),
    "frames: lying shape": Hostile("a.zip", frames(declared("(4, 2, 4096, 4096)")), (BROKEN, UNSAFE)),
    "frames: giant shape": Hostile("a.zip", frames(declared("(4, 2, 9000000000, 9000)")), (UNSAFE,)),
    "frames: pickled objects": Hostile("a.zip", frames(pickled_npy()), (UNSAFE, BROKEN)),
    "frames: program in its header": Hostile("a.zip", frames(npy_of(f"open('{CANARY}', 'w')")), (BROKEN,)),
    "frames: no frames": Hostile("a.zip", frames(npy(np.zeros((0, 2, 8, 8)))), (FORMAT,)),
    "parquet: nothing inside": Hostile("a.parquet", lambda: b"PAR1" + bytes(64) + b"PAR1", (BROKEN,)),
    "parquet: giant footer": Hostile("a.parquet", lambda: b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1", (BROKEN,)),
    "parquet: encrypted": Hostile("a.parquet", lambda: b"PARE" + bytes(64) + b"PARE", (FORMAT,)),
    "parquet: no pictures": Hostile("a.parquet", parquet(image=[b"x", b"y"], label=[0, 1]), (BROKEN,)),
    "parquet: endless labels": Hostile("a.parquet", parquet(image=[b"x", b"y"], label=[0, 2**62]), (CLASSES,)),
    "parquet: endless names": Hostile(
        "a.parquet", parquet(**{letter * 60_000: [1] for letter in "abcdefg"}), (FORMAT,)
    ),
    "parquet: nested without end": Hostile("a.parquet", parquet(image=[nested(60)], label=[0]), (FORMAT,)),
    "cifar: no pickle": Hostile("a.tar", cifar(b"no pickle"), (UNSAFE, FORMAT)),
}  # fmt: skip
