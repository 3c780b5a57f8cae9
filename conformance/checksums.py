"""The checksums of S3, written out here so that no SDK's opinion stands between a check and a server."""

from __future__ import annotations

import base64
import hashlib
import zlib
from functools import cache


def _reflected(polynomial: int, width: int) -> int:
    return int(f"{polynomial:0{width}b}"[::-1], 2)


@cache
def _table(polynomial: int) -> tuple:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


def _crc(data: bytes, polynomial: int, width: int) -> bytes:
    table, ones = _table(_reflected(polynomial, width)), (1 << width) - 1
    crc = ones
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return (crc ^ ones).to_bytes(width // 8, "big")


def crc32c(data: bytes) -> bytes:
    """CRC-32 of Castagnoli."""
    return _crc(data, 0x1EDC6F41, 32)


def crc64nvme(data: bytes) -> bytes:
    """CRC-64 of the NVM Express specification."""
    return _crc(data, 0xAD93D23594C93659, 64)


KINDS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": crc32c,
    "CRC64NVME": crc64nvme,
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def b64(digest: bytes) -> str:
    """As in headers."""
    return base64.b64encode(digest).decode()


def of(kind: str, data: bytes) -> str:
    """The checksum of the bytes as its header carries it."""
    return b64(KINDS[kind](data))


def md5(data: bytes) -> str:
    """Content-MD5 of the bytes."""
    return b64(hashlib.md5(data).digest())


def composite(kind: str, parts: list) -> str:
    """The checksum of checksums of a multipart object."""
    return f"{b64(KINDS[kind](b''.join(KINDS[kind](part) for part in parts)))}-{len(parts)}"
