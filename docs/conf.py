"""The documentation site, built by Sphinx: `make docs`."""

import re
import warnings
from importlib import metadata
from pathlib import Path

import rustbp

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "rustbp"
author = "The rustbp developers"
version = release = rustbp.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/README.*"]
nitpicky = False
suppress_warnings = [
    "config.cache",
    # Methods that come from scikit-learn link into its own pages.
    "ref.ref",
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "html_image"]
# As formulas are fenced where the repository is browsed.
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Without a network nothing is looked up; links into other projects are then plain text.
intersphinx_mapping = {}

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "ExampleTitleSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("rustbp",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    # What programs print is shown, not what their last line happens to return.
    "capture_repr": (),
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "plot_gallery": True,
    "abort_on_example_error": True,
    "image_srcset": ["2x"],
}
warnings.filterwarnings("ignore", category=UserWarning, message="Matplotlib is currently using agg")

html_theme = "pydata_sphinx_theme"
html_title = "rustbp"
# Pages need nothing from elsewhere: MathJax is one file, with its fonts, beside them.
_mathjax = next(
    file for file in metadata.files("sphinx-mathjax-offline") if file.name == "tex-svg.js"
)
html_static_path = ["_static", str(_mathjax.locate())]
mathjax_path = _mathjax.name
html_css_files = ["site.css"]
html_show_sourcelink = False
# Pages that stand by themselves have nothing to list beside them.
html_sidebars = {"*": []}
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button-field"],
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
# The address of the project stands in one place; see releasing.md.
_source = re.search(r'^Source = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
if _source:
    html_theme_options["icon_links"] = [
        {"name": "Source", "url": _source[1], "icon": "fa-brands fa-github"}
    ]
copyright = "the rustbp developers, MIT licence"


def link_pages(app, what, name, obj, options, lines):
    """Docstrings name pages by their files in the repository; on the site these are links."""
    lines[:] = [re.sub(r"``docs/([\w/]+)\.md``", r":doc:`/\1`", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", link_pages)
