"""The raw MNIST files: where they are looked for, and downloads from a server on this machine."""

import gzip
import hashlib
import shutil
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from binnet.datasets import DataFileError, load_entangled_mnist, load_mnist
from binnet.datasets.mnist import FILES, MnistFile, _load_file, download_file

CONTENT = b"\0\0\x08\x01\0\0\x03\xe8" + bytes(range(250)) * 4
TINY = MnistFile("tiny-idx1-ubyte", hashlib.sha256(CONTENT).hexdigest())
PACKED = gzip.compress(CONTENT)
# What a mirror may answer that is not the file; None: nothing at all.
BAD = {
    "missing": None,
    "corrupt": PACKED[:40] + bytes([PACKED[40] ^ 1]) + PACKED[41:],
    "truncated": PACKED[:-20],
    "other": gzip.compress(CONTENT[:-1] + b"x"),
    "page": b"<html>Please log in</html>",
    "empty": b"",
}


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a line on stderr for each request."""

    def log_message(self, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        if "cut-short" in self.path:
            self.send_header("Content-Length", "100000")  # and the connection ends before
        super().end_headers()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """Serve a folder over HTTP on the loopback: (the folder, its address)."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def add_mirror(site: tuple[Path, str], name: str, content: bytes | None) -> str:
    folder, address = site
    (folder / name).mkdir()
    if content is not None:
        (folder / name / f"{TINY.name}.gz").write_bytes(content)
    return f"{address}/{name}/"


@pytest.mark.parametrize("good", [PACKED, gzip.compress(CONTENT, 1), CONTENT])
def test_bad_mirrors_are_passed_over(site: tuple[Path, str], tmp_path: Path, good: bytes) -> None:
    mirrors = [add_mirror(site, name, content) for name, content in BAD.items()]
    mirrors.append(add_mirror(site, "good", good))
    path = download_file(TINY, tmp_path / "new" / "cache", mirrors)
    assert path == tmp_path / "new" / "cache" / TINY.name
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_all_mirrors_bad(site: tuple[Path, str], tmp_path: Path) -> None:
    mirrors = [add_mirror(site, name, content) for name, content in BAD.items()]
    mirrors.append(add_mirror(site, "cut-short", PACKED))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        mirrors.append(f"http://127.0.0.1:{unused.getsockname()[1]}/closed")
        with pytest.raises(ConnectionError) as caught:
            download_file(TINY, tmp_path / "cache", mirrors)
    message = str(caught.value)
    for mirror in mirrors:
        assert f"{mirror.rstrip('/')}/{TINY.name}.gz: " in message
    for part in ("404", "damaged gzip", "does not match the known hash", "refused", "data_dir="):
        assert part in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_mirrors(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="list of mirrors is empty"):
        download_file(TINY, tmp_path, [])


def test_damaged_cache_is_replaced(site: tuple[Path, str], tmp_path: Path) -> None:
    mirror = add_mirror(site, "good", PACKED)
    (tmp_path / TINY.name).write_bytes(CONTENT[:-5])
    with pytest.raises(DataFileError, match=r"not the original.*download=True"):
        _load_file(TINY, [tmp_path], False, [mirror])
    assert _load_file(TINY, [tmp_path], True, [mirror]) == CONTENT
    assert _load_file(TINY, [tmp_path], False, []) == CONTENT


def test_kept_file_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / TINY.name).write_bytes(CONTENT)
    assert download_file(TINY, tmp_path, ["http://127.0.0.1:9/closed"]) == tmp_path / TINY.name


@pytest.mark.parametrize("name", ["tiny-idx1-ubyte", "tiny.idx1-ubyte"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_local_names(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / (name + suffix)).write_bytes(PACKED if suffix else CONTENT)
    assert _load_file(TINY, [tmp_path / "empty", tmp_path], False, []) == CONTENT


def test_intact_copy_is_preferred_to_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / TINY.name).write_bytes(CONTENT[:-1])
    (tmp_path / f"{TINY.name}.gz").write_bytes(PACKED)
    assert _load_file(TINY, [tmp_path], False, []) == CONTENT


def test_damaged_local_files_are_named(tmp_path: Path) -> None:
    (tmp_path / f"{FILES[0].name}.gz").write_bytes(PACKED[:-9])
    with pytest.raises(DataFileError, match=r"train-images-idx3-ubyte\.gz: damaged gzip file"):
        load_mnist(tmp_path)
    (tmp_path / f"{FILES[0].name}.gz").write_bytes(PACKED)
    with pytest.raises(DataFileError, match=r"1008 uncompressed bytes is .*, expected ba891046"):
        load_mnist(tmp_path)


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("BINNET_MNIST_DIR", str(tmp_path / "env"))
    with pytest.raises(FileNotFoundError, match=r"is not in .*env or .*cache"):
        load_mnist()
    with pytest.raises(FileNotFoundError, match=r"is not in \S*given\. Pass"):
        load_mnist(tmp_path / "given")


def test_whole_download(
    site: tuple[Path, str], mnist_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    monkeypatch.delenv("BINNET_MNIST_DIR", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    for path in mnist_dir.glob("*-ubyte.gz"):
        shutil.copy(path, folder)
    if len(list(folder.iterdir())) != 4:
        pytest.skip("needs the MNIST files under their original names, compressed")
    mnist = load_mnist(download=True, mirrors=[f"{address}/nothing", address])
    assert mnist.images_train.shape == (60000, 784)
    assert mnist.images_train.dtype == np.uint8
    assert mnist.labels_train.shape == (60000,)
    assert mnist.images_test.shape == (10000, 784)
    assert mnist.labels_test.dtype == np.int64
    # From now on the cache serves, offline.
    assert load_entangled_mnist(3).X_test.shape == (10000, 3)
