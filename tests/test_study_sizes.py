"""The study of accuracy over H: every kind of model, its file, its figure, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("sklearn")

from binnet.cli import main
from binnet.studies.sizes import run_sizes, summarise_sizes


def test_command_trains_every_model_and_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "sizes.png"
    command = (
        "study sizes --hidden 10,20 --model default --model random-features --model mlp --epochs 1 "
        f"--seeds 2 --samples 300 --output {output}"
    )
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    assert output.stat().st_size > 1000
    record = json.loads(output.with_suffix(".json").read_text())
    trained = {(r["model"], r["n_hidden"]): r for r in record["models"]}
    assert len(trained) == 3 * 2 + 2
    for r in trained.values():
        for accuracies in (r["accuracy"], r["train_accuracy"]):
            assert len(accuracies) == 2
            assert all(0 <= accuracy <= 1 for accuracy in accuracies)
        assert all(seconds > 0 for seconds in r["seconds"])
    # 300 samples are enough for a linear classifier to be far above chance, 0.1.
    assert min(trained["logistic-regression", 0]["accuracy"]) > 0.4
    assert trained["logistic-regression", 0]["train_accuracy"] == [1.0, 1.0]  # separable
    before = output.with_suffix(".sizes.nc").read_bytes()
    again = CliRunner().invoke(main, command.split())
    assert again.exit_code == 0, again.output
    assert output.with_suffix(".sizes.nc").read_bytes() == before


def test_presets_need_no_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    options = {"sizes": [8], "epochs": 1, "seeds": 1, "samples": 64, "progress": False}
    result, peers = run_sizes(tmp_path / "a", models=["reservoir"], linear=False, **options)
    assert peers is None
    assert [r["model"] for r in summarise_sizes(result, peers)] == ["reservoir"]
    with pytest.raises(ImportError, match=r'pip install "binnet\[sklearn\]"'):
        run_sizes(tmp_path / "b", models=["mlp"], linear=False, **options)


def test_bad_parameters_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"models must be one of source, .*, got 'perceptrons'"):
        run_sizes(tmp_path / "a", models=["perceptrons"])
    with pytest.raises(ValueError, match="sizes must be an integer >= 1, got 0"):
        run_sizes(tmp_path / "a", sizes=[10, 0])
    assert not list(tmp_path.iterdir())
