# ruff: noqa: INP001 - hooks that mkdocs loads by path, not a package
"""Builds the site of the pages that stand beside docs/ too: the README, and what it links."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
#: Where they are in the repository, and where on the site.
BESIDE = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security-policy.md",
    "CHANGELOG.md": "project/changelog.md",
    "config/airboss.example.yaml": "project/airboss.example.yaml",
}
_OUTWARDS = re.compile(r"\]\((?:\.\./)+([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    for source, target in BESIDE.items():
        files.append(File.generated(config, target, content=_inward((ROOT / source).read_text(), source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of docs/ to the same page on the site."""
    up = "../" * page.file.src_uri.count("/")

    def on_site(link: re.Match[str]) -> str:
        target = BESIDE.get(link[1])
        return link[0] if target is None else f"]({up}{target}{link[2] or ''})"

    return _OUTWARDS.sub(on_site, markdown)


def _inward(text: str, source: str) -> str:
    """Turn the links of a page beside docs/ into links from its place on the site."""
    if not source.endswith(".md"):
        return text
    text = re.sub(r"\]\(docs/", "](../", text)
    for other, target in BESIDE.items():
        text = text.replace(f"]({other}", f"]({target.removeprefix('project/')}")
    return text
