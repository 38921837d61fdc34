"""The pages agree with the project: links lead somewhere, commands exist, figures come from the benchmark."""

import re
from pathlib import Path

import pytest

from tests.tidy.project import ROOT, text_files

PAGES = dict(text_files(".md"))


def anchors(text: str) -> set[str]:
    """The heading anchors of a page, in the usual form: lower case, blanks as hyphens, no punctuation."""
    headings = re.findall(r"^#+ +(.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    """The targets of a page's links and images, in Markdown and HTML."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href|srcset)="([^"]+)"', prose)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in links(PAGES[page]):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = ROOT / page.parent / name if name else ROOT / page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file.read_text())):
            broken.append(target)
    assert not broken, f"{page}: {broken}"


def test_every_page_can_be_reached_from_the_index_or_the_readme() -> None:
    reached = {Path("README.md"), Path("CHANGELOG.md"), Path("CONTRIBUTING.md")}
    queue = [Path("README.md"), Path("docs/index.md")]
    while queue:
        page = queue.pop()
        reached.add(page)
        for target in links(PAGES[page]):
            name = target.partition("#")[0]
            path = Path((ROOT / page.parent / name).resolve())
            if not re.match(r"[a-z]+:", target) and path.is_relative_to(ROOT):
                found = path.relative_to(ROOT)
                if found in PAGES and found not in reached:
                    queue.append(found)
    lost = [str(page) for page in PAGES if page not in reached]
    assert not lost, "no link leads to:\n" + "\n".join(lost)


def test_every_decision_is_listed() -> None:
    listed = links(PAGES[Path("docs/decisions/README.md")])
    pages = sorted(page.name for page in PAGES if page.parent == Path("docs/decisions"))
    pages.remove("README.md")
    assert pages == sorted(target for target in listed if re.match(r"\d{4}-", target))


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (ROOT / page.parent / target).resolve() for page, text in PAGES.items() for target in links(text)
    }
    lost = [str(path) for path in (ROOT / "docs" / "images").glob("*") if path.resolve() not in shown]
    assert not lost, lost


def test_every_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.+)$", makefile, re.M)
    targets = {name for line in phony for name in line.split()}
    explained = set(re.findall(r"^([a-z-]+):[^#\n]*## \S", makefile, re.M))
    assert targets == explained


def test_commands_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    wrong = [
        f"{page}: make {name}"
        for page, text in PAGES.items()
        for name in re.findall(r"(?:^|`)(?:\$ )?make ([a-z-]+)", text, re.M)
        if name not in targets
    ]
    assert not wrong, "\n".join(wrong)


def test_changelog_keeps_its_form() -> None:
    changelog = PAGES[Path("CHANGELOG.md")]
    assert "## [Unreleased]" in changelog
    kinds = set(re.findall(r"^### (.+)$", changelog, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
