"""The study of tuning: what is drawn, how the best is chosen, that the test set waits, its file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import load_entangled_mnist, preset, train
from binnet.cli import main
from binnet.plotting.tuning import draw_tuning, plot_gains, plot_scores
from binnet.studies import tuning as study
from binnet.studies.tuning import GROUPS, Group, TuningPlan, compare_groups, run_tuning

TINY: dict[str, Any] = {
    "sizes": (10,),
    "candidates": 8,
    "refined": 4,
    "rounds": 2,
    "following": 4,
    "short": 1,
    "epochs": 2,
    "finalists": 1,
    "finalist_seeds": 2,
    "seeds": 2,
    "follower_seeds": 1,
    "samples": 300,
    "validation": 100,
}


def test_candidates_fill_the_box_evenly() -> None:
    box = {"margin": ("uniform", 0.5, 1.5), "rate_input": ("loguniform", 1e-3, 1e1),
           "free": ("choice", 2, 5)}  # fmt: skip
    drawn = Group(box).draw(40, 0)
    # One value in each of forty strips of the same probability: up to the rounding to four digits.
    for name, scale in (("margin", lambda v: v - 0.5), ("rate_input", lambda v: np.log10(v) / 4)):
        places = np.sort([scale(c[name]) % 1 for c in drawn])
        np.testing.assert_allclose(places, (np.arange(40) + 0.5) / 40, atol=0.5 / 40 + 1e-3)
    assert sorted(c["free"] for c in drawn) == [2] * 20 + [5] * 20
    assert Group(box).draw(40, 0) == drawn != Group(box).draw(40, 1)


def test_a_choice_sets_several_parameters() -> None:
    group = Group({"feedback_strength": ("uniform", 1.0, 2.0),
                   "end": ("choice", {"annealing": "none", "feedback_strength": 0.0})},
                  {"self_coupling": 0.0})  # fmt: skip
    (candidate,) = group.draw(1, 0)
    configuration = group.configure(candidate, n_hidden=7, seed=3)
    assert configuration.network.feedback_strength == 0.0
    assert configuration.network.self_coupling == 0.0
    assert configuration.schedule.annealing == "none"
    assert (configuration.network.n_hidden, configuration.training.seed) == (7, 3)


def test_a_narrow_box_is_around_its_centre_and_inside_the_other() -> None:
    group = Group({"margin": ("uniform", 0.0, 2.0), "rate_input": ("loguniform", 0.01, 1.0),
                   "free": ("choice", 2, 5)})  # fmt: skip
    small = group.narrow({"margin": 0.1, "rate_input": 0.1, "free": 5}, 0.25)
    assert small.box["margin"] == ("uniform", 0.0, 0.6)
    assert small.box["rate_input"][1:] == pytest.approx((0.1 / 10**0.5, 0.1 * 10**0.5))
    assert small.box["free"] == ("choice", 5)


def test_known_candidates_are_a_preset() -> None:
    """With its J_D; and without, with feedback to the end."""
    single = preset("single")
    assert GROUPS["J_D > 0"].configure(GROUPS["J_D > 0"].known[0]) == single
    (without,) = GROUPS["J_D = 0"].known
    expected = single.replace(self_coupling=0.0, annealing="none")
    assert GROUPS["J_D = 0"].configure(without) == expected


def test_default_groups_differ_in_self_coupling_alone() -> None:
    without, with_it = GROUPS["J_D = 0"], GROUPS["J_D > 0"]
    assert {k: v for k, v in with_it.box.items() if k != "self_coupling"} == without.box
    assert without.fixed == {**with_it.fixed, "self_coupling": 0.0}
    for group in GROUPS.values():
        for candidate in group.draw(24, 5):
            group.configure(candidate)  # refuses what does not go together


# The two that are compared.
TWO = {name: GROUPS[name] for name in ("J_D = 0", "J_D > 0")}


@pytest.fixture(scope="module")
def stages() -> list[dict[str, Any]]:
    """Return what is swept, filled by `records`."""
    return []


@pytest.fixture(scope="module")
def records(
    tmp_path_factory: pytest.TempPathFactory, stages: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    run = study.sweeps.run

    def look(**sweep: Any) -> Any:
        stages.append(sweep)
        return run(**sweep)

    folder, plan = tmp_path_factory.mktemp("tuning"), TuningPlan(**TINY, followers=(12,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study.sweeps, "run", look)
        return run_tuning(folder / "a.png", plan, TWO, progress=False)


def test_the_budget_is_the_same_for_each_group(records: list[dict[str, Any]]) -> None:
    assert [(r["n_hidden"], r["group"]) for r in records] == [
        (n, name) for n in (10, 12) for name in TWO
    ]
    for r in records:
        found = r["candidates"]
        assert [c["box"] for c in found[:1]] == ["known"]
        boxes = [c["box"] for c in found[1:]]
        follows = r["n_hidden"] == 12
        first, second = ["refined-1"] * 4, ["refined-2"] * 4
        assert boxes == (first if follows else ["box"] * 8 + first + second)
        assert all(len(c["short"]) == 1 for c in found[1:])
        longer = [c for c in found if "validation" in c]
        assert len(longer) == (1 + 1 if follows else 1 + 2 + 1 + 1)  # a quarter of each box
        for box in set(boxes):  # what was known is not trained shortly
            own = [c for c in found if c["box"] == box]
            worst = min(c["short"] for c in own if "validation" in c)
            assert worst >= max(c["short"] for c in own if "validation" not in c)
        assert len(r["validation"]) == 2
        assert len(r["test"]) == (1 if follows else 2)
        assert found[r["chosen"]]["validation"] == r["validation"]
        # The one finalist is the best after its first seed.
        assert r["validation"][0] == max(c["validation"][0] for c in longer)


def test_a_follower_begins_at_the_best_of_the_size_before(records: list[dict[str, Any]]) -> None:
    for before, after in zip(records[:2], records[2:], strict=True):
        best = before["candidates"][before["chosen"]]["parameters"]
        assert after["candidates"][1]["parameters"] == best


def test_second_box_is_around_the_best_as_yet(records: list[dict[str, Any]]) -> None:
    for r in records[:2]:
        earlier = [c for c in r["candidates"] if c["box"] != "refined-2" and "validation" in c]
        best = max(earlier, key=lambda c: c["validation"][0])["parameters"]
        narrow = GROUPS[r["group"]].narrow(best, 0.15 / 2).box["margin"]
        drawn = [c["parameters"] for c in r["candidates"] if c["box"] == "refined-2"]
        assert all(narrow[1] - 1e-3 <= c["margin"] <= narrow[2] + 1e-3 for c in drawn)
        assert all(c["annealing"] == best["annealing"] for c in drawn)


def test_scores_are_what_train_says(records: list[dict[str, Any]]) -> None:
    """Validation samples are not trained on; all are for the test, with seeds of its own."""
    data, r = load_entangled_mnist(), records[1]
    chosen = r["candidates"][r["chosen"]]["parameters"]
    X, y = data.X_train[:300], data.y_train[:300]
    for n, seed, held_out, expected in (
        (200, 1, (X[200:], y[200:]), r["validation"][1]),
        (300, 101, (data.X_test, data.y_test), r["test"][1]),
    ):
        configuration = GROUPS["J_D > 0"].configure(chosen, n_hidden=10, epochs=2, seed=seed)
        direct = train(X[:n], y[:n], configuration, evaluate_on={"held out": held_out})
        assert direct.history[-1].accuracy["held out"] == expected
    assert {**GROUPS["J_D > 0"].fixed, **r["parameters"]} == r["parameters"]
    direct_parameters = GROUPS["J_D > 0"].configure(chosen).network.self_coupling
    assert r["parameters"]["self_coupling"] == direct_parameters


def test_the_test_set_chooses_nothing(
    records: list[dict[str, Any]], stages: list[dict[str, Any]]
) -> None:
    """It is the last thing that is measured at each H, of one candidate of each group."""
    tested = [k for k, sweep in enumerate(stages) if sweep["fixed"]["validation"] == 0]
    sizes = [sweep["fixed"]["n_hidden"] for sweep in stages]
    assert tested == [sizes.index(12) - 1, len(stages) - 1]
    for k in tested:
        assert all(len(found) == 1 for found in stages[k]["fixed"]["candidates"].values())


def test_differences_are_paired_over_seeds() -> None:
    records = [
        {"n_hidden": 5, "group": "a", "test": [0.50, 0.60, 0.70]},
        {"n_hidden": 5, "group": "b", "test": [0.52, 0.61, 0.73]},
    ]
    (gain,) = compare_groups(records, "a")
    assert gain["difference"] == pytest.approx(0.02)
    assert gain["standard_error"] == pytest.approx(0.01 / 3**0.5)
    assert gain["group"] == "b"
    with pytest.raises(ValueError, match="against must be one of a, b, got 'c'"):
        compare_groups(records, "c")


def test_picture_shows_every_candidate(records: list[dict[str, Any]]) -> None:
    compared = compare_groups(records, "J_D = 0")
    figure = draw_tuning(records, compared)
    assert len(figure.axes) == 6
    margins = plot_scores(records[:2], "margin", figure.axes[3]).get_lines()
    shown = np.concatenate([line.get_xdata() for line in margins if line.get_linestyle() == "None"])
    assert {c["parameters"]["margin"] for r in records[:2] for c in r["candidates"]} <= set(shown)
    labels = plot_gains(compared, figure.axes[1]).get_legend_handles_labels()[1]
    assert "J_D > 0, above J_D = 0" in labels
    assert "bars: standard error, paired over seeds" in labels


def test_command_takes_groups_from_a_file_and_goes_on(tmp_path: Path) -> None:
    groups, output = tmp_path / "groups.toml", tmp_path / "a.png"
    groups.write_text(
        '[wide]\nfixed = {self_coupling = 0.0}\nbox.margin = ["uniform", 0.0, 1.5]\n'
        '[sharp]\npreset = "default"\nbox.annealing = ["choice", "step", "none"]\n'
    )
    command = (
        f"study tuning --hidden 10 --groups {groups} --candidates 4 --refined 1 --rounds 1 "
        "--following 4 --finalists 1 --finalist-seeds 1 --seeds 2 --short 1 --epochs 1 "
        f"--samples 300 --validation 100 --output {output}"
    ).split()
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert output.stat().st_size > 1000
    record = json.loads(output.with_suffix(".json").read_text())
    assert [r["group"] for r in record["tuned"]] == ["wide", "sharp"]
    assert record["groups"]["wide"]["fixed"] == {"self_coupling": 0.0}
    assert record["tuned"][1]["parameters"]["annealing"] in ("step", "none")
    assert record["compared"][0]["against"] == "wide"
    before = (tmp_path / "a.10.test.nc").read_bytes()
    assert CliRunner().invoke(main, command).exit_code == 0
    assert (tmp_path / "a.10.test.nc").read_bytes() == before
    for text, words in (
        ("wide = 1", "each group must be a table with box"),
        ("=", "not a TOML"),
        ("", "at least one group"),
        ('[a]\nbox.none = ["uniform", 0, 1]', "unknown parameter 'none'"),
    ):
        groups.write_text(text)
        refused = CliRunner().invoke(main, [*command[:-1], str(tmp_path / "b.png")])
        assert refused.exit_code == 1
        assert words in refused.output


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ({}, "at least one parameter"),
        ({"margin": 0.3}, "margin must be"),
        ({"margin": ("normal", 0.0, 1.0)}, "the kind of margin must be one of uniform"),
        ({"margin": ("uniform", 1.0, 0.0)}, "low < high"),
        ({"rate_input": ("loguniform", 0.0, 1.0)}, "must be a finite number > 0"),
    ],
    ids=str,
)
def test_bad_boxes_are_refused(box: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        Group(box)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"box": 3}, "box of a group must be a table, parameters by name, got 3"),
        ({"fixed": 3}, "fixed of a group must be a table"),
        ({"known": {"margin": 0.5}}, "known of a group must be a list"),
        ({"known": [3]}, "a value for each entry of the box, margin, got 3"),
        ({"fixed": {"margin": 1.0}}, "margin is in the box and has a fixed value"),
        ({"fixed": {"n_hidden": 30}}, "n_hidden is no parameter of a group: the plan"),
        ({"box": {"seed": ("choice", 0, 1)}}, "seed is no parameter of a group"),
    ],
)
def test_bad_groups_are_refused(parts: dict[str, Any], words: str) -> None:
    """What would be ignored is refused, too: it would look as if it had been compared."""
    with pytest.raises((TypeError, ValueError), match=words):
        Group(**{"box": {"margin": ("uniform", 0.0, 1.0)}, **parts})


def test_bad_known_candidates_are_refused(tmp_path: Path) -> None:
    box = {"margin": ("uniform", 0.0, 1.0)}
    with pytest.raises(ValueError, match=r"known: margin must be a finite number >= 0 and <= 1"):
        Group(box, known=[{"margin": 1.5}])
    with pytest.raises(ValueError, match="a value for each entry of the box, margin, got"):
        Group(box, known=[{"free": 5}])
    groups = {"a": Group(box), "b": Group(box, known=[{"margin": 0.5}])}
    with pytest.raises(ValueError, match=r"as many known candidates each, got {'a': 0, 'b': 1}"):
        run_tuning(tmp_path / "a.png", TuningPlan(**TINY), groups, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sizes": (0,)}, "n_hidden must be"),
        ({"sizes": ()}, "sizes must be"),
        ({"sizes": (10, 10)}, "each H once"),
        ({"epochs": 0}, "epochs must be"),
        ({"validation": 300}, "validation must be"),
        ({"finalists": 5}, "finalists must be"),
    ],
    ids=str,
)
def test_bad_plans_are_refused_before_any_work(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        run_tuning(tmp_path / "a.png", TuningPlan(**{**TINY, **changes}), progress=False)
    assert not list(tmp_path.iterdir())
