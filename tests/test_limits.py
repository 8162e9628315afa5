"""What asks for more than the machine has, or for no number of this world, is refused in a line."""

import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import RandomNetwork, _memory, preset, relax, train
from binnet._memory import check_memory, find_memory
from binnet._validation import check_integer, check_real
from binnet.cli import main
from binnet.learning import Run, save_checkpoint
from library_cases import TINY, draw_spins, make_task

HUGE, BEYOND, LARGE = 2**31, 10**30, "1e308"


@pytest.fixture(autouse=True)
def _machine_of_4_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "find_memory", lambda: 4e9)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder with a run, and data that take no time to load."""
    X, y = draw_spins(60, 100), np.arange(60) % 10
    small = SimpleNamespace(X_train=X, y_train=y, X_test=X, y_test=y)
    monkeypatch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    save_checkpoint(tmp_path / "run" / "checkpoint.safetensors", Run.start(preset(), 60, "abc"))
    return tmp_path


MEMH = "export run --bits 4 --format memh --output image --inputs random"
CASES = [
    (f"train --hidden {HUGE}", "--hidden = 2147483648 in --modules = 1"),
    (
        f"train --hidden {BEYOND}",
        "--hidden must be an integer >= 1 and below 2**63, got 1000000000000",
    ),
    ("train --modules 60000", "in --modules = 60000 with n_inputs = 100"),
    (f"train --modules {HUGE}", "n_modules must be an integer in 1..65536, got 2147483648"),
    (f"train --batch-size {HUGE}", "--batch-size = 2147483648: the states and fields of a batch"),
    (f"train --schedule 0 {HUGE} 5", "feedback + free = 2147483653 sweeps would take 34 GB"),
    (f"train --epochs {BEYOND}", "--epochs must be an integer >= 1 and below 2**63"),
    (f"train --self-coupling {LARGE}", "--self-coupling must be a finite number >= 0 of a size up"),
    (f"train --margin -{LARGE}", "--margin must be a finite number of a size up to 1e+30, got 1e+"),
    (f"relax --neurons {HUGE}", "--neurons = 2147483648: the couplings would take"),
    (f"relax --neurons 10 --replicas {HUGE}", "--replicas = 2147483648: their states would take"),
    (f"relax --neurons 10 --max-sweeps {HUGE}", "--max-sweeps = 2147483648: the records of 16"),
    (f"relax --neurons 10 --self-coupling {LARGE}", "--self-coupling must be a finite number"),
    ("relax --neurons 10 --self-coupling 1e20", "is 8.192e+23 in units of scale"),
    (f"count --neurons 10 --self-coupling {LARGE}", "--self-coupling must be a finite number"),
    (f"count --neurons 10 --self-coupling 1 --draws {BEYOND}", "is not in the range 1<=x<="),
    (f"theory phase --points {HUGE}", "is not in the range 2<=x<=10000"),
    (f"theory map --over field --points {HUGE}", "is not in the range 2<=x<=10000"),
    ("theory local-entropy --self-coupling 0.1 nan", "must be a finite number >= 0, got nan"),
    (f"theory count --neurons 1{'0' * 400} --self-coupling 1", "n_neurons must be a finite number"),
    (f"theory count --neurons 9 --self-coupling 1 --enumerate {HUGE}", "the range 0<=x<=1000000"),
    (f"{MEMH} --vectors {HUGE}", "--vectors 2147483648 would take"),
    (f"{MEMH} --sweeps {HUGE}", "sweeps = 2147483648 of 16 vectors: the states would take"),
    (f"hardware report run --max-sweeps {HUGE}", "max_sweeps = 2147483648: the records of 60"),
    (f"landscape run --max-sweeps {HUGE}", "max_sweeps must be an integer in 1..10000"),
    (f"representations run --sweeps {HUGE}", "max_sweeps must be an integer in 1..10000"),
    (f"rnn train --hidden {HUGE}", "--hidden = 2147483648: the weights would take"),
    (f"rnn train --hidden {BEYOND}", "--hidden must be an integer >= 1 and below 2**63"),
    (f"rnn train --batch-size {HUGE}", "--batch-size = 2147483648: the trials would take"),
    (f"rnn train --iterations {BEYOND}", "--iterations must be an integer >= 1 and below 2**63"),
    (f"rnn train --iterations {HUGE}", "--iterations = 2147483648: the losses would take 17 GB"),
    (f"rnn train --gain {LARGE}", "--gain must be a finite number >= 0 of a size up to 1e+30"),
    (f"study sizes --no-linear --model default --workers {HUGE}", "is not in the range 1<=x<=1024"),
    (f"study capacity --seeds {HUGE}", "is not in the range 1<=x<=10000"),
    (f"sweep relaxation self_coupling=0,1 n_neurons=9 seed=0 --workers {HUGE}", "1<=x<=1024"),
    (f"sweep relaxation self_coupling=0 n_neurons=9,{HUGE} seed=0", "n_neurons = 2147483648: the"),
    (f"sweep relaxation self_coupling=0,1 n_neurons=9 seed=0..{BEYOND}", "more than 1000000"),
    (f"sweep relaxation self_coupling=0:1:{HUGE} n_neurons=9 seed=0", "more than 1000000"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES, ids=[case[0][:40] for case in CASES])
def test_options_beyond_the_machine(arguments: str, message: str, folder: Path) -> None:
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), "a traceback instead of a line"
    assert message in " ".join(result.output.split())
    assert [path.name for path in folder.iterdir()] == ["run"]


def test_the_library_refuses_what_the_commands_do() -> None:
    X, y = make_task(20)
    with pytest.raises(MemoryError, match="n_hidden = 1000000 in n_modules = 1"):
        train(X, y, TINY.replace(n_hidden=10**6))
    with pytest.raises(MemoryError, match="n_neurons = 100000: the couplings would take 40 GB of"):
        RandomNetwork.draw(100_000)
    with pytest.raises(MemoryError, match="max_sweeps = 1000000000: the records of 1 replicas"):
        relax(RandomNetwork.draw(10), max_sweeps=10**9)
    for value in (2**63, 10**400):
        with pytest.raises(ValueError, match=r"n must be an integer >= 1 and below 2\*\*63"):
            check_integer("n", value, 1)
    assert check_integer("seed", 10**30, 0, None) == 10**30
    with pytest.raises(ValueError, match="x must be a finite number, got inf"):
        check_real("x", 10**400)


def test_memory_of_control_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a container or a batch job may use, not what its machine has: least of all levels."""
    listing, root = tmp_path / "cgroup", tmp_path / "fs"
    monkeypatch.setattr(_memory, "_CGROUP", listing)
    monkeypatch.setattr(_memory, "_CGROUPS", root)
    assert _memory._read_control_group() is None
    listing.write_text("0::/job/step\n")
    (root / "job" / "step").mkdir(parents=True)
    (root / "job" / "step" / "memory.max").write_text("max\n")
    (root / "job" / "step" / "memory.current").write_text("1000\n")
    assert _memory._read_control_group() is None
    (root / "job" / "memory.max").write_text("5000\n")
    (root / "job" / "memory.current").write_text("2000\n")
    assert _memory._read_control_group() == 3000
    (root / "memory").mkdir()
    (root / "memory" / "memory.limit_in_bytes").write_text("900\n")
    (root / "memory" / "memory.usage_in_bytes").write_text("400\n")
    listing.write_text("4:memory:/docker/abc\n0::/job/step\n")
    assert _memory._read_control_group() == 500


def test_nothing_is_refused_where_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "find_memory", lambda: None)
    check_memory("x", 1e30, "take less")


def test_memory_of_the_address_space() -> None:
    """As after ``ulimit -v``; what there is at all is found without it."""
    left = find_memory()
    assert left is None or left > 1e6
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        "from binnet._memory import find_memory; print(find_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 2**31
    assert resource.getrlimit(resource.RLIMIT_AS)
