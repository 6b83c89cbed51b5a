"""Build the site from pages that are also read in the repository.

README, CONTRIBUTING and CHANGELOG become pages of the site. Links between them and to pages of `docs/` stay links; a
link to any other file of the repository becomes its plain path, checked to be there.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie beside `docs/`."""
    for source, page in PAGES.items():
        content = (ROOT / source).read_text().replace("](docs/pictures/", "](pictures/")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files of the repository into links of the site, or into plain paths."""
    folder = ROOT if page.file.src_uri in PAGES.values() else DOCS

    def of_the_site(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = (folder / target).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            raise PluginError(f"{page.file.src_uri}: the link to {target} leads nowhere")
        named = path.relative_to(ROOT).as_posix()
        if named in PAGES:
            return f"[{words}]({PAGES[named]}{anchor})"
        if path.parent == DOCS and path.suffix == ".md":
            return f"[{words}]({path.name}{anchor})"
        return words if words.strip("`") in (named, path.name) else f"{words} (`{named}`)"

    return LINK.sub(of_the_site, markdown)
