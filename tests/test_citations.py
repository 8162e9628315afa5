"""What the code and the documents cite is there: sections, equations, and the targets of links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "docs" / "model"
FOLDERS = ("src", "kernels", "tests", "bench", "notebooks", "docs")

_NUMBER, _JOIN = r"\d+(?:\.\d+)?", r"(?:,|,? and|,? to)"
_SECTIONS = rf"sections? (?:{_NUMBER})(?:{_JOIN} {_NUMBER})*"
_EQUATIONS = rf"eqs?\. \({_NUMBER}\)(?:{_JOIN} \({_NUMBER}\))*"
# The path of a page, then what is cited of it, if anything.
_CITATION = re.compile(
    rf"docs/model/(\w+)\.md((?:,? (?:and )?(?:its )?(?:{_SECTIONS}|{_EQUATIONS}))*)"
)
# On a page of the model, another page is cited by its name alone.
_NEIGHBOUR = re.compile(rf"(\w+)\.md((?:,? (?:and )?(?:{_SECTIONS}|{_EQUATIONS}))+)")
_STALE = re.compile(
    r"(?<![\w/])(?:learning|theory|rate_rnn|hardware|driven)\.md,? (?:sections?\b|notation|\")"
    r"|[Tt]heory specification"
)


class Page(NamedTuple):
    """Numbers of the sections and equations of a page."""

    sections: list[str]
    equations: list[str]


def read_page(text: str) -> Page:
    return Page(
        re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", text, re.MULTILINE),
        re.findall(r"\\tag\{([\d.]+)\}", text),
    )


def flatten(text: str) -> str:
    """Put a text on one line, without the marks of comments that go on."""
    return re.sub(r"\s*\n\s*(?:#:?\s+)?|\s+", " ", text)


def find_missing(page: Page, cited: str) -> Iterator[str]:
    """Yield the sections and equations of a page that `cited` names and that are not there."""
    for number in re.findall(rf"(?<!\()\b({_NUMBER})(?!\))\b", cited):
        if number not in page.sections:
            yield f"section {number}"
    for number in re.findall(rf"\(({_NUMBER})\)", cited):
        if number not in page.equations:
            yield f"eq. ({number})"


def check_citations(text: str, pages: dict[str, Page], pattern: re.Pattern[str]) -> list[str]:
    """Return what is wrong with the citations of a text."""
    problems = []
    for match in pattern.finditer(flatten(text)):
        name, cited = match.groups()
        if name not in pages:
            problems.append(f"there is no docs/model/{name}.md")
            continue
        problems += [
            f"docs/model/{name}.md has no {what}" for what in find_missing(pages[name], cited)
        ]
    return problems


def check_own_numbers(text: str, page: Page) -> list[str]:
    """Return sections and equations that a page names of itself and does not have."""
    prose = _NEIGHBOUR.sub(
        "", flatten(re.sub(r"\$\$.*?\$\$|^#[^\n]*", "", text, flags=re.S | re.M))
    )
    cited = " ".join(re.findall(rf"{_SECTIONS}|\(\d+\.\d+\)", prose))
    return [f"it has no {what}" for what in find_missing(page, cited)]


def list_anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+?)\s*$", _without_code(text, inline=False), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        anchors.add(
            next(s for k in range(99) if (s := f"{slug}-{k}" if k else slug) not in anchors)
        )
    return anchors


def check_links(text: str, path: Path) -> list[str]:
    """Return the relative links of a document at `path` that lead nowhere."""
    problems = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _without_code(text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists():
            problems.append(f"{link}: there is no such file")
        elif anchor and anchor not in list_anchors(target.read_text(encoding="utf-8")):
            problems.append(f"{link}: there is no such heading")
    return problems


def _without_code(text: str, inline: bool = True) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text) if inline else text


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return {path.stem: read_page(path.read_text(encoding="utf-8")) for path in MODEL.glob("*.md")}


def list_files(*suffixes: str) -> Iterator[tuple[Path, str]]:
    tops = [path for suffix in suffixes for path in ROOT.glob(f"*{suffix}")]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    for path in sorted(tops + below):
        if path.suffix in suffixes and path != Path(__file__):
            yield path, path.read_text(encoding="utf-8")


def report(problems: dict[Path, list[str]]) -> str:
    found = [
        f"{path.relative_to(ROOT)}: {what}" for path, all_ in problems.items() for what in all_
    ]
    return "\n".join(found)


def test_every_cited_section_and_equation_exists(pages: dict[str, Page]) -> None:
    texts = dict(list_files(".py", ".md"))
    problems = {path: check_citations(text, pages, _CITATION) for path, text in texts.items()}
    assert not report(problems)
    cited = [match for text in texts.values() for match in _CITATION.findall(flatten(text))]
    assert len(cited) > 30  # else the pattern has stopped to match what the code writes


def test_nothing_cites_documents_that_are_not_there() -> None:
    problems = {
        path: _STALE.findall(flatten(text))
        for path, text in list_files(".py", ".md")
        if path.parent != MODEL
    }
    assert not report(problems)


def test_pages_of_the_model_agree_with_themselves(pages: dict[str, Page]) -> None:
    problems = {}
    for path in sorted(MODEL.glob("*.md")):
        text, page = path.read_text(encoding="utf-8"), pages[path.stem]
        problems[path] = check_citations(text, pages, _NEIGHBOUR) + check_own_numbers(text, page)
        # Equations are numbered by section, one after the other.
        expected: dict[str, int] = {}
        for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            for equation in read_page(part).equations:
                section = part.split(".")[0]
                expected[section] = expected.get(section, 0) + 1
                if equation != f"{section}.{expected[section]}":
                    problems[path].append(f"eq. ({equation}) is out of order in section {section}")
        for block in re.findall(r"\$\$(.*?)\$\$", text, re.S):
            if "\\tag" not in block:
                problems[path].append(f"an equation has no number: {block}")
            # GitHub takes a backslash before punctuation for Markdown's own, and drops it.
            problems[path] += re.findall(r"\\[^A-Za-z].*", block)
    assert not report(problems)


def test_relative_links_lead_somewhere() -> None:
    problems = {path: check_links(text, path) for path, text in list_files(".md")}
    assert not report(problems)


def follow_links(start: Path) -> set[Path]:
    """Return the documents that links lead to from `start`, itself included."""
    found, left = set(), [start.resolve()]
    while left:
        path = left.pop()
        if path in found or path.suffix != ".md" or not path.is_file():
            continue
        found.add(path)
        links = re.findall(r"\]\(([^)\s#]+)", _without_code(path.read_text(encoding="utf-8")))
        left += [(path.parent / link).resolve() for link in links]
    return found


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached = follow_links(ROOT / "README.md")
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 25
    assert sorted(path.relative_to(ROOT).as_posix() for path in pages - reached) == []


def test_the_checks_can_fail(tmp_path: Path) -> None:
    text = "# Page\n\n## 1. One\n\n$$ x = 1 \\tag{1.1} $$\n\n### 1.1 Part\n\n## 2. Two\n"
    page = read_page(text)
    assert page == Page(["1", "1.1", "2"], ["1.1"])
    made_up = {"page": page}
    for good in ("section 1", "sections 1 and 2", "section 1.1, eq. (1.1)", "eqs. (1.1) and (1.1)"):
        assert check_citations(f"As docs/model/page.md, {good}.", made_up, _CITATION) == []
    for bad, missing in (
        ("section 3", "section 3"),
        ("sections 1 and 4", "section 4"),
        ("section\n    # 7", "section 7"),
        ("eq. (2.1)", "eq. (2.1)"),
        ("section 1, eqs. (1.1) to (1.3)", "eq. (1.3)"),
    ):
        found = check_citations(f"As docs/model/page.md, {bad}.", made_up, _CITATION)
        assert found == [f"docs/model/page.md has no {missing}"]
    assert check_citations("docs/model/gone.md", made_up, _CITATION)
    assert check_own_numbers(f"{text}\nBy (1.1) and section 2.", page) == []
    assert check_own_numbers(f"{text}\nBy (1.2) and section 5.", page) == [
        "it has no section 5",
        "it has no eq. (1.2)",
    ]
    for stale in ("learning.md, section 3", 'hardware.md, "Number', "theory.md, notation"):
        assert _STALE.search(flatten(f"The rule ({stale})"))
    assert not _STALE.search("docs/model/theory.md, section 1")

    document = tmp_path / "document.md"
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    good_links = "[a](page.md) [b](page.md#11-part) [c](#here) [d](https://x.y/z) `[e](f)`"
    document.write_text(f"# Here\n\n{good_links}\n", encoding="utf-8")
    assert check_links(document.read_text(encoding="utf-8"), document) == []
    (tmp_path / "orphan.md").write_text("[a](page.md)", encoding="utf-8")
    assert {path.name for path in follow_links(document)} == {"document.md", "page.md"}
    for bad_link in ("gone.md", "page.md#gone", "#gone"):
        assert len(check_links(f"[a]({bad_link})", document)) == 1
