"""What the documentation links to outside docs/ becomes pages too: the model card, how to contribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
OUTSIDE = {"src/seektrack/pretrained/README.md": "model-card.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie elsewhere in the repository."""
    from mkdocs.structure.files import File

    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=_inside(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave docs/ at the pages made of what they lead to."""
    depth = page.file.src_uri.count("/")
    for source, target in OUTSIDE.items():
        markdown = markdown.replace("../" * (depth + 1) + source, "../" * depth + target)
    return markdown


def _inside(path: Path) -> str:
    """A page's text with its links into docs/ as they are from there."""
    text = path.read_text(encoding="utf-8")
    up = "../" * len(path.relative_to(ROOT).parents[:-1])
    return text.replace(f"]({up}docs/", "](").replace("](docs/", "](")
