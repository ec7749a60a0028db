"""Docstrings: names that are links, and what is inherited from scikit-learn.

A name in backticks leads to the one public object of that name, whatever its module.

Docstrings of scikit-learn name labels of its site, of which a few are known here,
without the network. The others stand as their text, and so do formulas, which would ask
for MathJax from elsewhere.
"""

import re

from sphinx.util.nodes import make_refnode

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


def find_name(app, env, node, contnode):
    """Resolve a name that the module at hand does not have."""
    if node.get("refdomain") != "py" or "." in node["reftarget"]:
        return None
    found = {
        entry.node_id: (name, entry)
        for name, entry in env.get_domain("py").objects.items()
        if name.rsplit(".", 1)[-1] == node["reftarget"] and not entry.aliased
    }
    if len(found) != 1:
        return None
    ((name, entry),) = found.values()
    docname, place = entry.docname, entry.node_id
    return make_refnode(app.builder, node["refdoc"], docname, place, contnode, name)


def setup(app):
    app.connect("missing-reference", find_name)
    app.connect("autodoc-process-docstring", replace_references, priority=900)
    return {"parallel_read_safe": True}
