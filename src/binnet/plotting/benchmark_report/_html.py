"""Elements of an HTML page: the standard library's trees, which escape all text and attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

from binnet._files import make_mark

Child = Element | str
# What HTML has no place for, and halves of characters, which no file can hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def element(tag: str, *children: Child, **attributes: str | None) -> Element:
    """Return an element. Of attributes, ``class_`` is class, ``aria_label`` is aria-label."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), _clean(value))
    return extend(made, children)


def extend(made: Element, children: Iterable[Child]) -> Element:
    """Add children to an element, and return it."""
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + _clean(child)
        else:
            made.text = (made.text or "") + _clean(child)
    return made


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def section(title: str, *children: Child, id_: str) -> Element:
    """Return a section with its heading."""
    return element("section", element("h2", title), *children, id_=id_)


def table(
    heads: Sequence[str],
    groups: Iterable[tuple[str, Sequence[Sequence[Child]]]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
) -> Element:
    """Return a table that scrolls by itself where the page is narrow.

    `groups` are rows under a title, none where that is empty. The first cell of a row is its head;
    those of the columns `numbers` are set flush right.
    """
    kinds = ["number" if k in numbers else None for k in range(len(heads))]
    top = element("tr", *(element("th", head, scope="col", class_=kind)
                          for head, kind in zip(heads, kinds, strict=True)))  # fmt: skip
    title = element("caption", element("span", caption))  # narrower than the table may be
    made = element("table", title, element("thead", top))
    for group, rows in groups:
        body = element("tbody")
        if group:
            head = element("th", group, scope="rowgroup", colspan=str(len(heads)))
            body.append(element("tr", head, class_="group"))
        for first, *rest in rows:
            cells = [element("td", cell, class_=kind)
                     for cell, kind in zip(rest, kinds[1:], strict=True)]  # fmt: skip
            body.append(element("tr", element("th", first, scope="row"), *cells))
        made.append(body)
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def bullets(lines: Iterable[Child]) -> Element:
    """Return a list of points."""
    return element("ul", *(element("li", line) for line in lines))


def facts(pairs: Iterable[tuple[str, Child]]) -> Element:
    """Return names with what they stand for."""
    made = element("dl")
    for name, value in pairs:
        made.append(element("div", element("dt", name), element("dd", value)))
    return made


def to_page(title: str, style: str, *children: Child) -> str:
    """Return a whole page, whose first line has binnet's mark; nothing in it may load or run."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=make_mark()),
        element("title", title),
        element("style", style),
    )
    page = element("html", head, element("body", *children), lang="en")
    text = tostring(page, encoding="unicode", method="html")
    return f"<!DOCTYPE html><!-- {make_mark()} -->\n{text}\n"
