"""Configuration of the documentation site: `make doc`."""

import os
import sys
import tomllib
from pathlib import Path

DOC = Path(__file__).resolve().parent
ROOT = DOC.parent
sys.path[:0] = [str(ROOT), str(DOC / "_extensions")]
# Processes that the gallery starts shall see the same package.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib  # noqa: E402

matplotlib.use("agg")

import sklearn_nnci  # noqa: E402

metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
urls = metadata.get("urls", {})

project = metadata["name"]
author = metadata["authors"][0]["name"]
copyright = author
release = version = sklearn_nnci.__version__
repository = urls.get("Repository", "https://github.com/sklearn-nnci/sklearn-nnci")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "repository_pages",
    "docstrings",
]

toc_object_entries_show_parents = "hide"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "_extensions"]
suppress_warnings = [
    "config.cache",  # functions in the gallery's configuration
]

# Markdown
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Files of the repository that are pages of the site, and where.
repository_url = repository
repository_pages = {
    "benchmarks/results/*.md": "benchmarks/results",
    "CONTRIBUTING.md": "repository",
    "CHANGELOG.md": "repository",
}

# The reference
default_role = "py:obj"  # `name` is a link where there is a page of it, else code
autosummary_generate = True
autodoc_typehints = "none"  # docstrings have them
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = False

# The gallery: every script is run, and ends in asserts of what it shows.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklearn_nnci",),
    "reference_url": {"sklearn_nnci": None},
    "within_subsection_order": "gallery_order.key",
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "parallel": 2,
    "min_reported_time": 0,
}

# The site
html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_baseurl = urls.get(
    "Documentation", "https://sklearn-nnci.readthedocs.io/en/latest/"
)
html_static_path = ["_static"]
html_favicon = "_static/logo.svg"
html_context = {"default_mode": "auto"}
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": project},  # its picture is in site.css
    "github_url": repository,
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
single = ("index", "start", "theory", "changelog", "internals")
html_sidebars = {page: [] for page in single}  # nothing to choose beside them
copybutton_prompt_text = ">>> |\\.\\.\\. |\\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
