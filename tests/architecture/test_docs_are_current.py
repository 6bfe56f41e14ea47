"""The documentation fits the code and itself."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.support.documents import PAGES, ROOT, anchors, links, name_of
from tests.support.provider_table import PAGE, missing_rows

NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def linked_pages() -> list[Path]:
    return [*PAGES, *sorted(page for page in ROOT.glob("*.md") if page not in PAGES)]


def test_the_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `.venv/bin/python docs/generate.py`\n{done.stdout}{done.stderr}"


def test_the_table_of_provider_faults_has_a_row_for_each() -> None:
    assert missing_rows(PAGE.read_text()) == [], "run `make providers-table`"


@pytest.mark.parametrize("page", linked_pages(), ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)}: {link}"


def test_every_page_is_linked() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in linked_pages()
        for link in links(page)
        if "://" not in link
    }
    assert [name_of(page) for page in PAGES if page.name != "README.md" and page not in linked] == []


def test_every_choice_that_a_client_can_see_has_its_test() -> None:
    lines = (ROOT / "docs" / "contract-notes.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| Choice ")]
    assert len(rows) > 100
    assert [row for row in rows if "`tests/" not in row] == []


def test_every_page_has_its_place_on_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    docs = ROOT / "docs"
    pages = [page.relative_to(docs).as_posix() for page in docs.rglob("*.md")]
    missing = [page for page in pages if page not in navigation and not page.startswith("adr/0")]
    assert missing == [], "add it to nav in mkdocs.yml"


def test_every_test_that_a_page_names_exists() -> None:
    named = {match for page in PAGES for match in NAMED_TEST.findall(page.read_text())}
    assert named
    missing = [f"{path}::{name}" for path, name in sorted(named) if name not in names_of_tests(ROOT / path)]
    assert missing == []


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))
