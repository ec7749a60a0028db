"""Where the documentation is."""

# As ``[project.urls]`` in pyproject.toml has it.
DOCUMENTATION = "https://sklearn-nnci.readthedocs.io/en/latest/"


def page_of(warning: str) -> str:
    """Return the address of the page about a class of warnings, by its name."""
    return f"{DOCUMENTATION}warnings/{warning}.html"
