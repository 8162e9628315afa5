"""Atomic writing: complete files or none, and nothing left behind."""

import json
from pathlib import Path

import pytest

from binnet._files import atomic_path, write_json


def test_replaces_on_success(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def stop_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert path.read_text() == "old"
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
