"""Planes of the self-coupling and a margin or fields: `theory.phase_map`, `binnet theory map`."""

import json
from itertools import count

import numpy as np
import pytest
from click.testing import CliRunner

import binnet.theory.phase
from binnet import theory
from binnet.cli.theory import theory as command

CRITICAL = theory.critical_self_coupling()


def run(*arguments, code=0):
    result = CliRunner().invoke(command, ["map", *(str(a) for a in arguments)])
    assert result.exit_code == code, result.output
    return result.output


def load(path):
    return {
        name: np.array(value, dtype=float) if isinstance(value, list) else value
        for name, value in json.loads(path.read_text()).items()
    }


def test_each_column_is_what_the_functions_of_one_point_give():
    j, kappa, std = np.array([0.1, 0.5, 2.0]), np.array([0.0, 0.3, 0.3]), np.array([1.0, 0.0, 1.0])
    seen = []
    plane = theory.phase_map(
        j, margin=kappa, field_std=std, dynamics=False, progress=lambda x: seen.extend(x) or x
    )
    assert seen == [0.0, 1.0]  # once for each field strength
    driven = theory.critical_self_coupling(field_std=1.0)
    np.testing.assert_array_equal(
        plane["complexity"], theory.complexity(j, kappa[:, None], std[:, None])
    )
    lines = [driven, CRITICAL, driven]
    np.testing.assert_array_equal(plane["critical"], [p.self_coupling for p in lines] + kappa)
    np.testing.assert_array_equal(plane["critical_error"], [p.error for p in lines])
    np.testing.assert_array_equal(plane["closing_distance"], [p.distance for p in lines])
    assert plane["critical"][0] < plane["critical"][1] - 0.3  # fields close the gap earlier
    assert np.isnan(plane["freezing"]).all()


def test_freezing_knows_no_margin_and_where_there_is_none_a_warning_says_why(monkeypatch):
    def freezing(field_std, seed):
        if field_std > 0.0:
            raise ValueError("too strong")
        return theory.Freezing(0.8, seed / 1000, *np.zeros((3, 5)))

    monkeypatch.setattr(binnet.theory.phase, "freezing_self_coupling", freezing)
    plane = theory.phase_map(0.5, margin=[0.0, 1.0], seed=7)
    np.testing.assert_array_equal(plane["freezing"], [0.8, 0.8])
    np.testing.assert_array_equal(plane["freezing_error"], [0.007, 0.007])
    with pytest.warns(RuntimeWarning, match=r"field_std = 0\.5: too strong"):
        plane = theory.phase_map(0.5, field_std=[0.0, 0.5])
    np.testing.assert_array_equal(plane["freezing"], [0.8, np.nan])
    assert np.isfinite(plane["critical"]).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"margin": -0.1}, "margin must be a finite number >= 0, got -0.1"),
        ({"field_std": [0.0, -1.0]}, r"field_std must be .* >= 0, got -1 at \[1\]"),
        ({"margin": [[0.0]]}, r"margin must have shape \(n,\) with n >= 1, got shape \(1, 1\)"),
        ({"rtol": 1.0}, "rtol must be"),
        ({"seed": -1}, "seed must be an integer >= 0"),
        ({"margin": [0.0, 1.0], "field_std": [0.0, 1.0, 2.0]}, "of one length.* 2 and 3 values"),
    ],
)
def test_wrong_planes_are_refused_before_the_work(parameters, words):
    def never(rows):
        raise AssertionError(rows)

    with pytest.raises(ValueError, match=words):
        theory.phase_map([0.1, 0.2], progress=never, **parameters)


@pytest.mark.long
def test_margins_shift_the_phase_diagram():
    plain, moved = theory.phase_diagram(0.03), theory.phase_diagram(0.28, margin=0.25)
    for name in set(plain) - {"self_coupling"}:
        np.testing.assert_allclose(moved[name], plain[name], rtol=1e-6, atol=1e-9, err_msg=name)
    below = theory.phase_diagram([0.1], margin=0.2)
    assert np.isnan(below["isolation_radius"][0])
    assert (below["gap_lower"][0], below["gap_upper"][0]) == (0.0, 0.5)


def test_a_phase_diagram_with_fields_leaves_the_isolation_out(monkeypatch):
    def gap(self_coupling, *, margin, field_std, rtol):
        return theory.OverlapGap(self_coupling, margin, field_std, rtol, 0.0, 0.0, 0.0)

    monkeypatch.setattr(binnet.theory.phase, "overlap_gap", gap)
    driven = theory.phase_diagram([0.03, 0.5], margin=0.01, field_std=1.0, rtol=1e-3)
    assert np.isnan([driven["isolation_radius"], driven["isolation_error"]]).all()
    np.testing.assert_array_equal(driven["complexity"], theory.complexity([0.03, 0.5], 0.01, 1.0))
    given = [driven[k] for k in ("gap_lower", "gap_upper", "lowest_distance", "lowest_entropy")]
    np.testing.assert_array_equal(
        given, np.transpose([[0.03, 0.01, 1.0, 1e-3], [0.5, 0.01, 1.0, 1e-3]])
    )


def test_the_margin_plane_and_its_data(tmp_path):
    figure = tmp_path / "map.png"
    output = run("--over", "margin", "--points", 3, "--no-dynamics", "--output", figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
    data = load(figure.with_suffix(".json"))
    assert (data["over"], data["completed"], data["points"]) == ("margin", True, 3)
    np.testing.assert_array_equal(data["margin"], [0.0, 0.75, 1.5])
    np.testing.assert_allclose(data["critical"] - data["margin"], CRITICAL.self_coupling)
    assert data["complexity"].shape == (3, data["self_coupling"].size)
    expected = theory.complexity(data["self_coupling"], 0.75)
    np.testing.assert_allclose(data["complexity"][1], expected)
    assert "0.810099" in output
    assert "freezing" not in output
    assert "fields" not in output
    run("--over", "margin", "--points", 2, "--no-dynamics", "--output", figure)  # ours: replaced


def test_the_field_plane_at_a_margin(tmp_path):
    figure = tmp_path / "map.pdf"
    plane = ["--over", "field", "--maximum", 1, "--points", 2, "--margin", 0.2]
    output = run(*plane, "--no-dynamics", "--output", figure)
    assert "with fields the gap closes there at the earliest" in output
    data = load(figure.with_suffix(".json"))
    expected = theory.critical_self_coupling(margin=0.2, field_std=1.0).self_coupling
    np.testing.assert_allclose(data["critical"], [CRITICAL.self_coupling + 0.2, expected])
    np.testing.assert_array_equal(data["margin"], [0.2, 0.2])
    assert figure.read_bytes().startswith(b"%PDF")


def test_margins_above_all_self_couplings_leave_an_empty_plane(tmp_path):
    figure = tmp_path / "map.png"
    plane = ["--over", "margin", "--minimum", 3, "--maximum", 4, "--points", 2]
    output = run(*plane, "--no-dynamics", "--output", figure)
    assert "no fixed points" in output
    assert figure.exists()
    assert (load(figure.with_suffix(".json"))["complexity"] < 0.0).all()


@pytest.mark.parametrize("finished", [1, 2])
def test_ctrl_c_keeps_what_makes_a_plane_and_leaves_no_half_file(monkeypatch, tmp_path, finished):
    calls, phase_map = count(), theory.phase_map

    def interrupted(*arguments, **options):
        if next(calls) == finished:
            raise KeyboardInterrupt
        return phase_map(*arguments, **options)

    monkeypatch.setattr(theory, "phase_map", interrupted)
    figure = tmp_path / "map.png"
    plane = ["--over", "field", "--maximum", 0.5, "--points", 5, "--no-dynamics"]
    output = run(*plane, "--output", figure, code=130 if finished == 2 else 1)
    if finished == 1:
        assert list(tmp_path.iterdir()) == []
        return
    data = load(figure.with_suffix(".json"))
    assert not data["completed"]
    assert "interrupted: 2 of 5 field strengths" in output
    np.testing.assert_array_equal(data["field_std"], [0.0, 0.125])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Missing option '--over'"),
        (["--over", "symmetry"], 2, "'symmetry' is not one of 'margin', 'field'"),
        (["--over", "margin", "--minimum", 2], 2, "must be below --maximum, got 2 and 1.5"),
        (["--over", "field", "--maximum", -1], 2, "-1.0 is not in the range x>=0"),
        (["--over", "field", "--maximum", "nan"], 2, "must be below --maximum, got 0 and nan"),
        (["--over", "field", "--maximum", "inf"], 1, "--maximum must be a finite number"),
        (["--over", "margin", "--field", "inf"], 1, "--field must be a finite number"),
        (["--over", "margin", "--margin", 1], 2, "leave out --margin"),
        (["--over", "field", "--field", 1], 2, "leave out --field"),
        (["--over", "field", "--points", 1], 2, "1 is not in the range 2<=x<="),
        (["--over", "field", "--largest", 0], 2, "0.0 is not in the range 0.0<x<=20"),
        (["--over", "field", "--output", "map.txt"], 2, "must end in .png"),
        (["--over", "field", "--output", "theirs.png"], 2, "no mark of a file that binnet wrote"),
    ],
)
def test_wrong_requests_end_with_one_clear_line(monkeypatch, tmp_path, arguments, code, words):
    def never(*arguments, **options):
        raise AssertionError(options)

    monkeypatch.setattr(theory, "phase_map", never)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.png").write_text("a picture")
    output = run(*arguments, code=code)
    assert words in output
    assert "Traceback" not in output
    assert (tmp_path / "theirs.png").read_text() == "a picture"
