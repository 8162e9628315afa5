"""`binnet theory` as users meet it: numbers, figures with data beside them, clear refusals."""

import json

import pytest
from click.testing import CliRunner

import binnet.theory.phase
from binnet import theory as calculator
from binnet.cli.theory import theory


def run(*arguments, code=0):
    result = CliRunner().invoke(theory, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def find_no_gap(self_coupling, *, margin, field_std, rtol):
    """Stand for `overlap_gap`, which takes a second or more."""
    return calculator.OverlapGap(*[float("nan")] * 7)


def test_count_prints_the_expected_and_the_exact_number():
    output = run("count", "--neurons", 12, "--self-coupling", 0.5, "--enumerate", 3)
    assert "expected count  55.9" in output
    assert "exact count" in output
    assert "exact count" not in run("count", "--neurons", 1000, "--self-coupling", 0.5)
    assert "exp(5204" in run("count", "--neurons", 10_000, "--self-coupling", 1.0)


def test_count_says_where_there_are_no_fixed_points():
    output = run("count", "--neurons", 20, "--self-coupling", 0.5, "--margin", 50)
    assert "negative: large networks have no fixed points as stable" in output
    assert "expected count  exp(-25" in output
    output = run("count", "--neurons", 20, "--self-coupling", 0.5, "--margin", 1, "--symmetry", -1)
    assert "complexity      -inf" in output
    assert "expected count  0 " in output
    assert "negative" not in run("count", "--neurons", 20, "--self-coupling", 0.5)


@pytest.mark.long
def test_local_entropy_takes_several_self_couplings_and_writes_figure_and_data(tmp_path):
    figure = tmp_path / "curves.png"
    output = run("local-entropy", "--self-coupling", 0.04, 0.2, "--points", 5, "--output", figure)
    assert "J_D = 0.04: no clusters at distances 0.00113 to 0.10016" in output
    assert "J_D = 0.2: no gap" in output
    assert figure.read_bytes().startswith(b"\x89PNG")
    data = json.loads(figure.with_suffix(".json").read_text())
    assert [curve["self_coupling"] for curve in data["curves"]] == [0.04, 0.2]
    curve = data["curves"][1]
    expected = calculator.local_entropy(0.2, curve["distance"][2]).value
    assert curve["entropy"][2] == pytest.approx(expected)
    assert curve["gap"] == [None, None]


def test_phase_writes_figure_and_table(monkeypatch, tmp_path):
    gap = calculator.OverlapGap(1e-3, 0.1, 0.03, -0.01, 1e-9, 1e-9, 1e-9)
    monkeypatch.setattr(binnet.theory.phase, "overlap_gap", lambda j, **parameters: gap)
    figure = tmp_path / "phase.png"
    output = run("phase", "--points", 2, "--no-dynamics", "--output", figure)
    assert "critical self-coupling  0.060099" in output
    assert figure.read_bytes().startswith(b"\x89PNG")
    data = json.loads(figure.with_suffix(".json").read_text())
    assert len(data["table"]["complexity"]) == 2
    assert data["table"]["gap_upper"] == [0.1, 0.1]
    assert data["thresholds"]["monotone"] == pytest.approx(0.0731, abs=1e-4)


@pytest.mark.long
def test_local_entropies_with_a_margin_and_with_fields(monkeypatch, tmp_path):
    figure = tmp_path / "curves.png"
    shifted = ["--margin", 0.3, "--self-coupling", 0.34, "--points", 3, "--output", figure]
    assert "J_D = 0.34: no clusters at distances 0.00113 to 0.10016" in run(
        "local-entropy", *shifted
    )
    monkeypatch.setattr(calculator, "overlap_gap", find_no_gap)
    driven = ["--margin", 0.3, "--field", 1, "--self-coupling", 0.5, "--points", 3]
    output = run("local-entropy", *driven, "--output", figure)
    assert "J_D = 0.5: no gap\nwith fields entropies are upper bounds" in output
    data = json.loads(figure.with_suffix(".json").read_text())
    assert (data["margin"], data["field_std"]) == (0.3, 1.0)
    (curve,) = data["curves"]
    expected = calculator.local_entropy(0.2, curve["distance"][1], field_std=1.0).value
    assert curve["entropy"][1] == pytest.approx(expected)
    below = ["--margin", 0.3, "--self-coupling", 0.1, "--points", 3, "--output", figure]
    assert "J_D = 0.1: no fixed points have this margin" in run("local-entropy", *below)


def test_phase_with_a_margin_and_fields(monkeypatch, tmp_path):
    def quick(**parameters):
        return calculator.Threshold(parameters["margin"], parameters["field_std"], 1e-3, 1e-3)

    monkeypatch.setattr(calculator, "monotone_self_coupling", quick)
    monkeypatch.setattr(binnet.theory.phase, "overlap_gap", find_no_gap)
    figure = tmp_path / "phase.png"
    both = ["--margin", 0.3, "--field", 1, "--points", 2, "--no-dynamics", "--output", figure]
    output = run("phase", "--minimum", 0.2, "--maximum", 0.5, *both)
    expected = calculator.critical_self_coupling(margin=0.3, field_std=1.0).self_coupling
    assert f"critical self-coupling  {expected:.6f}" in output
    assert "entropy monotone from   0.300000" in output
    assert "isolation radius        left out" in output
    table = json.loads(figure.with_suffix(".json").read_text())["table"]
    assert table["self_coupling"] == pytest.approx([0.5, 0.8])
    assert table["complexity"][1] == calculator.complexity(0.8, 0.3, 1.0)
    assert table["isolation_radius"] == [None, None]


def test_a_threshold_that_is_not_there_is_left_out_and_said(monkeypatch, tmp_path):
    def missing(**parameters):
        raise ValueError("no threshold found")

    def early(**parameters):
        return calculator.Threshold(0.2, 0.01, 1e-3, 1e-3)

    monkeypatch.setattr(calculator, "critical_self_coupling", missing)
    monkeypatch.setattr(calculator, "monotone_self_coupling", missing)
    monkeypatch.setattr(calculator, "freezing_self_coupling", early)
    monkeypatch.setattr(binnet.theory.phase, "overlap_gap", find_no_gap)
    figure = tmp_path / "phase.png"
    output = run("phase", "--margin", 0.3, "--points", 2, "--output", figure)
    assert "critical self-coupling  left out: no threshold found" in output
    assert "dynamics freezes from   0.200 +- 0.001  (not drawn: no fixed point" in output
    data = json.loads(figure.with_suffix(".json").read_text())
    assert set(data["thresholds"]) == {"freezing"}
    assert data["gap_closes_at"] is None
    assert figure.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["count", "--neurons", 20, "--self-coupling", -1], 2, "-1.0 is not in the range x>=0"),
        (["count", "--neurons", 20, "--self-coupling", "nan"], 1, "must be a finite number >= 0"),
        (["count", "--neurons", 1, "--self-coupling", 1], 2, "1 is not in the range x>=2"),
        (["count", "--neurons", 50, "--self-coupling", 1, "--enumerate", 1], 2, "up to 30, got 50"),
        (
            ["count", "--neurons", 30, "--self-coupling", 3, "--enumerate", 1],
            1,
            "GB of memory; lower",
        ),
        (["count", "--neurons", "many", "--self-coupling", 1], 2, "not a valid integer"),
        (["phase", "--minimum", 0], 2, "--minimum': 0.0 is not in the range"),
        (["phase", "--minimum", 3], 2, "--minimum must be below --maximum, got 3 and 2"),
        (
            ["local-entropy", "--self-coupling", 0.1, "--points", 1],
            2,
            "1 is not in the range 2<=x<=",
        ),
        (["local-entropy", "--self-coupling", 0.1, -3], 2, "No such option"),
        (["local-entropy", "--self-coupling", 0.1, "--rtol", 0], 2, "1e-13<=x<=0.1"),
        (["local-entropy"], 2, "Missing option"),
        (
            ["local-entropy", "--self-coupling", 0.1, "--field", -1],
            2,
            "-1.0 is not in the range x>=0",
        ),
        (["phase", "--margin", -1], 2, "-1.0 is not in the range x>=0"),
        (["phase", "--field", "inf"], 1, "--field must be a finite number"),
        (["phase", "--output", "phase.txt"], 2, "must end in .png"),
        (["phase", "--output", "no/such/folder/phase.png"], 2, "create it first"),
    ],
)
def test_wrong_requests_end_with_one_clear_line(arguments, code, words):
    output = run(*arguments, code=code)
    assert words in output
    assert "Traceback" not in output
