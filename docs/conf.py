"""How the documentation becomes a site: `python -m sphinx -W -b html docs site`."""

from importlib.metadata import version as installed

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

project = "seatperm"
copyright = "the seatperm contributors, under the MIT license"
version = release = installed("seatperm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
myst_heading_anchors = 3
html_theme = "furo"
html_title = "seatperm"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sourcelink = False
html_copy_source = False

# A docstring's `name` becomes a link where the page has it, and is set as code where it does not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
maximum_signature_line_length = 110
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def setup(app: Sphinx) -> None:
    """Have docstrings read as they are meant: called by Sphinx."""
    app.connect("autodoc-process-docstring", _lead, priority=400)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"


def _lead(_app: Sphinx, what: str, _name: str, _of: object, _options: object, lines: list[str]) -> None:
    # Napoleon, which comes after, takes what stands before a colon in a property's first line for its type.
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]
