"""How the documentation becomes a site: `python -m sphinx -W -b html docs site`."""

from importlib.metadata import version as installed

project = "seatperm"
copyright = "the seatperm contributors, under the MIT license"
version = release = installed("seatperm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
myst_heading_anchors = 3
html_theme = "furo"
html_title = "seatperm"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
