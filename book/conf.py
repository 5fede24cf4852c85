"""How Sphinx renders the book. Nothing is executed and nothing is fetched during a build."""

import os

project = "Robustness distillation: five papers reproduced"
html_title = project
author = "the paperlib contributors"
copyright = author

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["_build", "LICENSE", "**.ipynb_checkpoints"]

# The notebooks come executed: `paperlib.book.notebooks` runs them, nbval checks them, and Sphinx
# only shows them.
nb_execution_mode = "off"
nb_render_markdown_format = (
    "myst"  # the tables' Markdown may hold mathematics, as the chapters' own does
)
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
numfig = True

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_show_copyright = False
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the theme's default would add a second search box
    "show_toc_level": 2,
    "use_download_button": True,
}
copybutton_exclude = ".linenos, .gp, .go"

# For readers without internet: the folder `es5` of MathJax 3, of which a copy goes into the site.
if mathjax := os.environ.get("PAPERLIB_MATHJAX"):
    html_static_path.append(mathjax)
    mathjax_path = "tex-mml-chtml.js"
