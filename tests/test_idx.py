"""The IDX reader, on small files made here: every type, and every kind of damage."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from binnet.datasets import DataFileError, read_idx
from idx_cases import CODES, idx_bytes


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0, 28)])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_reads_every_type(tmp_path: Path, kind: str, shape: tuple[int, ...], compress) -> None:
    array = (np.arange(np.prod(shape)) * 5 - 7).reshape(shape).astype(kind)
    path = tmp_path / "any.name"
    path.write_bytes(compress(idx_bytes(array)))
    result = read_idx(path)
    np.testing.assert_array_equal(result, array, strict=True)
    assert result.dtype.isnative
    assert result.flags.writeable


GOOD = idx_bytes(np.arange(24, dtype="u1").reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not an IDX file.*\[\]"),
        (b"\0\0\x08", "not an IDX file"),
        (b"<html>404</html>", r"not an IDX file.*\[3c 68 74 6d\]"),
        (b"\0\0\x0a\x01" + GOOD[4:], "not an IDX file.*type code"),
        (b"\0\0\x08\x00" + GOOD[4:], "not an IDX file.*dimensions"),
        (GOOD[:10], "truncated.*header with 3 dimensions takes 16 bytes.*after 10"),
        (GOOD[:-1], r"truncated.*\(2, 3, 4\).*uint8 takes 40 bytes.*has 39"),
        (GOOD[:16], "truncated.*has 16"),
        (GOOD + b"!", "trailing bytes.*takes 40.*has 41"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "truncated"),  # a product beyond 64 bits
        (gzip.compress(GOOD, mtime=0)[:-4], "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:12], "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0) + b"junk", "damaged gzip file"),
        (gzip.compress(GOOD[:-1], mtime=0), "truncated"),
        (gzip.compress(GOOD + b"!", mtime=0), "trailing bytes.*takes 40.*has 41"),
        (b"\0\0\x08\x43" + b"\0\0\0\x01" * 66 + b"\0\0\0\x00", "no array can have the shape"),
        (b"\0\0\x0e\x04" + bytes(4) + b"\xff" * 12, "no array can have the shape"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=f"digits-idx3-ubyte: .*{message}.*again"):
        read_idx(path)


def test_no_more_is_unpacked_than_the_header_says(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(GOOD + bytes(2**28)))
    tracemalloc.start()
    with pytest.raises(DataFileError, match="trailing bytes"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")
