"""One word for one thing (docs/model/README.md, "Words"): words that were given up stay away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "kernels", "tests", "notebooks", "docs")
PAGES = ("README.md", "CONTRIBUTING.md")


class Old(NamedTuple):
    """A word that was given up."""

    pattern: str
    now: str  # the word to use
    example: str  # what the pattern finds
    fine: str  # what it does not


WORDS = (
    Old(r"(update|rounding|stopping|adaptive|Gauss-Legendre) rules?\b", "order, rounding, ...",
        "the update rule", "the update of the rule"),
    Old(r"--dynamics\b(?!/)", "update_order",
        "--dynamics async", "--dynamics/--no-dynamics"),
    Old(r"\bstability[ _]margins?\b|\.margins\b|\bmargin_histogram\b", "stability, stabilities",
        "the stability margins", "margins and stabilities"),
    Old(r"\bwant(s|ed)? to flip\b", "is unstable",
        "who wants to flip", "it flips"),
    Old(r"(?<!configuration\.)(?<!changed\.)\b(network|weights)\.n_hidden\b", "n_neurons",
        "network.n_hidden", "configuration.network.n_hidden"),
    Old(r"\b(add_|find_)links\b|\blink_strengths?\b|\b(network|net|model|structure)\.links\b",
        "partners, excitations, add_excitation",
        "model.link_strengths", "check_links"),
    Old(r"\bmodule[ _-]couplings?\b", "excitation",
        "--module-coupling", "couplings of a module"),
    Old(r"\bsynapse[ _-]bits\b|\b(n_)?hidden[ _-]bits\b|\bwider? synapses\b",
        "latent_bits, unseen_bits, latent weights",
        "wide synapses", "bits of a synapse"),
    Old(r"\bshown?_(weights|bank|feedback|range)\b|\b_show\(", "expose",
        "show_weights()", "show_default"),
    Old(r"\bclass (Room|Watch)\b|: (Room|Watch)\b", "what it holds",
        "class Watch(NamedTuple)", "with room to grow"),
)  # fmt: skip

# Files that are about old names, that write what an earlier commit reads, or that say what not to
# say.
ABOUT_OLD_NAMES = {
    "docs/model/README.md", "tests/golden/make_training.py", "tests/test_deprecated_names.py",
    "tests/test_update_orders.py", "tests/test_words.py",
}  # fmt: skip
# Lines that keep an old name alive, or a key in files.
_ALIAS = re.compile(r"renamed_|RENAMED|\"(wide_synapses|synapse_bits|--[a-z-]+)\"|warn_of_old_name")


def find_old_words(text: str) -> Iterator[str]:
    """Yield what is to be said otherwise, and how, for each line."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in WORDS:
            found = re.search(word.pattern, line)
            if found and not _ALIAS.search(line):
                yield f"line {number}: {found[0]!r}, now: {word.now}"


def list_files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in {".py", ".md"} and name not in ABOUT_OLD_NAMES:
                yield path
    yield from (ROOT / page for page in PAGES)


def test_old_words_stay_away() -> None:
    files = list(list_files())
    assert len(files) > 200
    problems = {
        path.relative_to(ROOT).as_posix(): found
        for path in files
        if (found := list(find_old_words(path.read_text(encoding="utf-8"))))
    }
    assert problems == {}


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.now)
def test_a_word_that_comes_back_is_found(word: Old) -> None:
    assert len(list(find_old_words(f"\n    # {word.example}\n"))) == 1
    assert list(find_old_words(f"{word.fine}\n")) == []
    assert list(find_old_words(f'@renamed_parameter("x", "{word.example}")')) == []


def test_exceptions_are_files() -> None:
    assert all((ROOT / name).is_file() for name in ABOUT_OLD_NAMES)
