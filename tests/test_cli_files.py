"""What commands may write over: nothing of others without --force, and nothing that is no file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import hardware_cases as cases
from binnet._files import is_ours
from binnet.cli import main
from binnet.hardware import save_quantized

# Every command that writes a file, the files that it writes, and the one that it is given.
COMMANDS = (
    ("relax --neurons 10 --output", ("a.nc", "a.png")),
    ("count --neurons 8 --self-coupling 0.5 --output", ("a.nc",)),
    ("count --neurons 8 --self-coupling 0.5 --output", ("a.svg", "a.json")),
    ("count --neurons 8 --self-coupling 0.5 --output", ("a.pdf", "a.json")),
    ("theory local-entropy --output", ("a.png", "a.json")),
    ("theory map --over field --output", ("a.svg", "a.json")),
    ("theory phase --output", ("a.pdf", "a.json")),
    ("sweep relaxation self_coupling=0.2,0.4 n_neurons=9 --output", ("a.nc", "a.png")),
    ("import network --output", ("a.safetensors",)),
    ("export network.safetensors --format nir --output", ("a.nir",)),
    ("export network.safetensors --format onnx --output", ("a.onnx",)),
    ("hardware report network.safetensors --output", ("a.json",)),
    ("study sizes --output", ("a.png", "a.json")),
    ("study bits --output", ("a.png", "a.json")),
    ("study capacity --output", ("a.png", "a.json")),
    ("study chain --output", ("a.png", "a.json")),
    ("study self-coupling --output", ("a.png", "a.json")),
    ("study symmetry --output", ("a.png", "a.json")),
    ("study tuning --output", ("a.png", "a.json")),
)  # fmt: skip
FOREIGN = [(command, names[0], name) for command, names in COMMANDS for name in names]
FOREIGN.remove(("sweep relaxation self_coupling=0.2,0.4 n_neurons=9 --output", "a.nc", "a.nc"))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def binnet(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert code == 0 or isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split())


@pytest.mark.parametrize(("command", "output", "foreign"), FOREIGN)
def test_files_of_others_are_refused_before_work_starts(
    command: str, output: str, foreign: str, tmp_path: Path
) -> None:
    save_quantized("network.safetensors", cases.make_quantized(4))
    before = sorted([*tmp_path.iterdir(), tmp_path / foreign])
    Path(foreign).write_text("precious")
    result = CliRunner().invoke(main, [*command.split(), output])
    assert isinstance(result.exception, SystemExit), result.exception
    assert f"{foreign} exists and has no mark of a file that binnet wrote" in result.output
    assert "--force" in result.output
    assert Path(foreign).read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == before


def test_force_and_files_of_ours() -> None:
    quick = ["count", "--neurons", "6", "--self-coupling", "0.5", "--output"]
    for name in ("a.json", "a.png", "a.pdf", "a.svg", "a.nc"):
        path = Path(name)
        path.write_text("precious")
        binnet(*quick, path, "--force")
        assert path.stat().st_size > 100
        assert is_ours(path)
        binnet(*quick, path)  # again, over its own
    for name in ("b.nc", "b.png"):
        Path(name).write_text("precious")
    quick = ["relax", "--neurons", "9", "--replicas", "2", "--output", "b.nc"]
    binnet("relax", "--force", *quick[1:])
    assert is_ours("b.nc")
    assert is_ours("b.png")
    binnet(*quick)


def test_devices_and_links(tmp_path: Path) -> None:
    quick = ["count", "--neurons", "6", "--self-coupling", "0.5", "--output"]
    Path("null.json").symlink_to(os.devnull)
    binnet(*quick, "null.json")
    assert Path(os.devnull).is_char_device()
    assert not Path(os.devnull).with_suffix(".json").exists()
    Path("disk").mkdir()
    Path("link.json").symlink_to("disk/counts.json")
    binnet(*quick, "link.json")
    assert Path("link.json").is_symlink()
    assert json.loads(Path("disk/counts.json").read_text())["draws"] == 1
    Path("folder.json").mkdir()
    assert "is a directory" in binnet(*quick, "folder.json", code=2)
    assert {path.name for path in Path("disk").iterdir()} == {"counts.json"}


def test_folders_of_others(tmp_path: Path) -> None:
    Path("notes").mkdir()
    Path("notes/todo.txt").write_text("mine")
    text = binnet("rnn", "study", "--quick", "--out", "notes", code=1)
    assert "notes is not empty and holds nothing of this study; name another --out" in text
    Path("study").mkdir()
    Path("study/romo-bptt.nc.partial").touch()  # one that was begun
    Path("study/exponents.png").write_text("mine")
    text = binnet("rnn", "study", "--quick", "--out", "study", code=1)
    assert "study/exponents.png exists and has no mark" in text
    save_quantized("network.safetensors", cases.make_quantized(4))
    export = ("export", "network.safetensors", "--output", "notes", "--format")
    assert "notes exists and is not an empty folder" in binnet(*export, "memh", code=1)
    assert "it is a folder; name a file in it" in binnet(*export, "nir", code=1)
    assert [path.name for path in Path("notes").iterdir()] == ["todo.txt"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    output = tmp_path / os.fsdecode(b"caf\xe9.json")
    arguments = ["count", "--neurons", "6", "--self-coupling", "0.5", "--output", output]
    code = "from binnet.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"caf\xe9.json\n")
    command = json.loads(output.read_bytes())["run"]["command"]
    assert command[-1] == str(output)


def test_an_old_file_is_noted_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("nir")
    save_quantized("old.safetensors", cases.make_quantized(4))
    with safe_open("old.safetensors", "np") as file:
        info = json.loads(file.metadata()["binnet"]) | {"format": "binnet-quantized-1"}
    del info["sha256"]
    save_file(load_file("old.safetensors"), "old.safetensors", {"binnet": json.dumps(info)})
    arguments = ["export", "old.safetensors", "--format", "nir", "--output", "a.nir"]
    code = "from binnet.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "NIR graph: a.nir\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("note: old.safetensors is of an older version of binnet and has no dig")
