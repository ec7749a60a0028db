"""Files of the repository as pages of the site, and links as the repository has them.

Pages are written to be read in the repository too, so that their links are paths of
files there. Each is followed: to a page of the site, as it is; to a file of which the
site has a copy, to that; to any other file, to the repository on the web.
"""

import os
import re
from pathlib import Path

LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


def copies(app):
    """Return {path of a file in the repository: name of its page}."""
    root = Path(app.srcdir).parent
    return {
        path.relative_to(root).as_posix(): f"{folder}/{path.name}"
        for pattern, folder in app.config.repository_pages.items()
        for path in sorted(root.glob(pattern))
    }


def write_pages(app, config):
    """Copy the files; one without a heading gets its name."""
    root, pages = Path(app.srcdir).parent, copies(app)
    for old in {page.parent for page in map(Path, pages.values())}:
        for path in (Path(app.srcdir) / old).glob("*.md"):
            if f"{old.as_posix()}/{path.name}" not in pages.values():
                path.unlink()
    for source, page in pages.items():
        text, target = (root / source).read_text("utf-8"), Path(app.srcdir) / page
        if not text.lstrip().startswith("# "):
            text = f"# {target.stem.replace('_', ' ').capitalize()}\n\n{text}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text("utf-8") != text:
            target.write_text(text, "utf-8")


def rewrite_links(app, docname, source):
    """Rewrite the links of a page, which are relative to its file in the repository."""
    root, pages = Path(app.srcdir).parent, copies(app)
    origin = {page: path for path, page in pages.items()}
    page = app.env.doc2path(docname, base=False)
    if not str(page).endswith(".md"):
        return
    folder = Path(origin.get(str(page), f"doc/{page}")).parent

    def target(match):
        link, mark, anchor = match[1].partition("#")
        if not link or re.match(r"\w+:", link):
            return match[1]
        path = os.path.normpath(folder / link)
        if path in pages:
            return f"/{pages[path]}{mark}{anchor}"
        if not (root / path).exists():
            return match[1]
        if path.startswith("doc/"):
            return f"/{path.removeprefix('doc/')}{mark}{anchor}"
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{app.config.repository_url}/{kind}/main/{path}{mark}{anchor}"

    source[0] = LINK.sub(target, source[0])


def setup(app):
    app.add_config_value("repository_pages", {}, "env")
    app.add_config_value("repository_url", "", "env")
    app.connect("config-inited", write_pages)
    app.connect("source-read", rewrite_links)
    return {"parallel_read_safe": True}
