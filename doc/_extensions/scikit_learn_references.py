"""Docstrings inherited from scikit-learn, without its references and formulas.

They name labels of scikit-learn's site, of which a few are known here, without the
network. The others stand as their text, and so do formulas, which would ask for MathJax
from elsewhere.
"""

import re

SITE = "https://scikit-learn.org/stable/"
PAGES = {"metadata_routing": "metadata_routing.html", "user_guide": "user_guide.html"}
ROLE = re.compile(r":(?:ref|term):`(?:([^`<]*?)\s*<([^`>]*)>|([^`]*))`")
FORMULA = re.compile(r":math:`([^`]*)`")
FRACTION = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")


def resolve(match):
    text, label = (match[1], match[2]) if match[2] else (match[3], match[3])
    page = PAGES.get(label)
    return f"`{text} <{SITE}{page}>`__" if page else text


def plain(match):
    return "``" + FRACTION.sub(r"\1 / \2", match[1]) + "``"


def replace_references(app, what, name, obj, options, lines):
    text = FORMULA.sub(plain, ROLE.sub(resolve, "\n".join(lines)))
    lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", replace_references, priority=900)
    return {"parallel_read_safe": True}
