"""What mkdocs does besides: README.md is the first page, commands have one, links out of docs/ lead to the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT: Final = Path(__file__).parents[2]
_LINK: Final = re.compile(r"\]\((?![a-z]+:|#)(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README.md as the start page, and the page of the commands."""
    from mkdocs.structure.files import File

    from docs.site.manual import markdown_page

    files.append(File.generated(config, "index.md", abs_src_path=str(_ROOT / "README.md")))
    files.append(File.generated(config, "commands.md", content=markdown_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs passes it
    """Turn a page's links, which lead through the repository, into those of the site."""
    if page.file.src_uri == "commands.md":
        return markdown  # no links but those in it
    folder = "" if page.file.src_uri == "index.md" else "docs"
    return linked(markdown, folder, config.extra["repository"])


def linked(markdown: str, folder: str, repository: str) -> str:
    """Return a page of a folder of the repository with links to docs/ by name, and others into ``repository``.

    A link that leads to nothing is left, so that mkdocs warns of it.
    """

    def replaced(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found["path"]))
        if path.startswith("docs/"):
            return f"]({path.removeprefix('docs/')}{found['anchor'] or ''})"
        return f"]({repository}/{path})" if (_ROOT / path).exists() else found[0]

    return _LINK.sub(replaced, markdown)
