"""Atomic writing: complete files or none, and nothing left behind."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import xarray

from binnet._files import (
    MARK,
    atomic_path,
    check_file,
    check_signature,
    is_ours,
    make_mark,
    name_beside,
    name_temporary,
    overwriting,
    write_json,
    write_netcdf,
)
from binnet.plotting import make_panels, save_figure


def test_replaces_on_success(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{MARK}: old")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text() == f"{MARK}: old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{MARK}: old")

    def stop_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert path.read_text() == f"{MARK}: old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"nowhere does not exist; create it first"),
        atomic_path(tmp_path / "nowhere" / "a.txt"),
    ):
        pass


def test_write_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"η": 0.5, "shape": (2, 3)})
    assert json.loads(path.read_bytes().decode()) == {"η": 0.5, "shape": [2, 3]}
    assert path.read_bytes().endswith(b"}\n")


def write(path: Path, text: str, **options: bool) -> None:
    with atomic_path(path, **options) as temporary:
        temporary.write_text(text)


def test_links_lead_to_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    file, link = tmp_path / "disk" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(file)
    write(link, f"{MARK}, new")  # to a file that is not there yet
    write(link, f"{MARK}, newer")
    assert link.is_symlink()
    assert file.read_text() == f"{MARK}, newer"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "disk", "link.txt"]
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OSError, match="circle"):
        check_file(tmp_path / "circle")


def test_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_file(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, "through")
    reader.join()
    assert read == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert name_beside(pipe, ".json") == Path(os.devnull)
    null = tmp_path / "null"
    null.symlink_to(os.devnull)
    write(null, "lost")
    assert null.is_char_device()
    assert Path(os.devnull).is_char_device()
    assert name_beside(tmp_path / "a.png", ".json") == tmp_path / "a.json"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(PermissionError, match="it is no file; name another one"):
            check_file(tmp_path / "s")


def test_folders_are_refused_at_the_start(tmp_path: Path) -> None:
    for check in (check_file, lambda path: write(path, "x")):
        with pytest.raises(IsADirectoryError, match=r"it is a folder; name a file in it"):
            check(tmp_path)


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    for check in (check_file, lambda path: write(path, "x")):
        with pytest.raises(FileExistsError, match=r"notes.txt exists and has no mark .*--force"):
            check(path)
    assert path.read_text() == "mine"
    check_file(path, overwrite=True)
    with overwriting(True), overwriting(False):
        check_file(path)
    with pytest.raises(FileExistsError):
        check_file(path)
    write(path, f"# {make_mark()}", overwrite=True)
    write(path, "no mark any more")
    with pytest.raises(FileExistsError):
        write(path, "x")
    path.write_text("")  # nothing to lose
    write(path, "x")


def test_write_protected_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"binnet": "1"})
    # Root may write everywhere, so this cannot be had by chmod.
    monkeypatch.setattr("os.access", lambda where, mode: Path(where) != path)
    with pytest.raises(PermissionError, match=r"a.json: it is write-protected; name another file"):
        check_file(path)


def test_files_of_binnet_are_known(tmp_path: Path) -> None:
    def ours(name: str, content: bytes | str) -> bool:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return is_ours(path)

    for content in ({"binnet": "1", "a": 2}, {"a": 2, "run": {"binnet": "1"}}, [{"binnet": "1"}]):
        assert ours("a.json", json.dumps(content))
    for content in ({"a": "binnet"}, [], [1], {}, {"a": {"b": {"binnet": 1}}}):
        assert not ours("a.json", json.dumps(content))
    for text in ("{", "[" * 10**5, '{"binnet": '):
        assert not ours("a.json", text)
    assert ours("a.toml", f"# {make_mark()}\na = 1")
    assert not ours("a.toml", f"a = 1\n# {make_mark()}")
    assert not ours("a.nc", b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert not is_ours(tmp_path / "nothing")
    assert not is_ours(tmp_path)


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from binnet._files import *\n"
        "path = Path(sys.argv[1]); name_temporary(path / 'a.zarr').mkdir()\n"
        "with atomic_path(path / 'a.png') as temporary:\n"
        "    temporary.write_text('half'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    left = sorted(tmp_path.iterdir())
    assert [p.suffix for p in sorted(left, key=lambda p: p.suffix)] == [".png", ".zarr"]
    mine = name_temporary(tmp_path / "b.png")
    elsewhere = tmp_path / f".binnet-00000000-{2**22 + 1}-00000000.png"
    strange = tmp_path / ".binnet-notes.txt"
    kept = [mine, elsewhere, strange]
    for path in kept:
        path.write_text("x")
    check_file(tmp_path / "a.png")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_pictures_and_data_are_known(tmp_path: Path) -> None:
    figure, _ = make_panels()
    for name in ("a.png", "a.pdf", "a.svg"):
        save_figure(figure, tmp_path / name)
        assert is_ours(tmp_path / name)
        figure.savefig(tmp_path / name)
        assert not is_ours(tmp_path / name)
        with pytest.raises(FileExistsError, match="no mark"):
            save_figure(figure, tmp_path / name)
        save_figure(figure, tmp_path / name, overwrite=True)
    path = tmp_path / "a.nc"
    write_netcdf(path, xarray.Dataset({"a": ("x", [1.5])}))
    assert is_ours(path)
    assert check_signature(path)
    read = xarray.load_dataset(path, engine="h5netcdf")
    assert read["a"].values == [1.5]
    content = path.read_bytes()
    for place in (100, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"a\.nc is damaged or was edited"):
            check_signature(path)
    read.to_netcdf(path, engine="h5netcdf")  # what a user made of it, with its attributes
    assert not is_ours(path)
    assert not check_signature(path)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, [os.fsdecode(b"caf\xe9")])
    assert json.loads(path.read_bytes().decode("utf-8")) == [os.fsdecode(b"caf\xe9")]
