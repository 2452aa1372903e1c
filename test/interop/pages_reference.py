"""The outputs of a notebook as other programs show them.

Writes `page.html`, which nbconvert makes, and `cells.json`: for each cell by its id the outputs as GitHub leaves them, that
is the MIME type that nbconvert prefers but for widgets, its HTML without styles, scripts and drawings, with the elements and attributes
alone that GitHub documents as allowed.
"""

import json
import re
import sys
from pathlib import Path

import bleach
import nbformat
from nbconvert import HTMLExporter

out, file = Path(sys.argv[1]), sys.argv[2]

# https://github.com/gjtorikian/html-pipeline, SanitizationFilter: the allow-list to which GitHub refers.
TAGS = (
    "h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody tfoot "
    "blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption "
    "abbr bdo cite dfn mark small source span time wbr"
).split()
ATTRIBUTES = {"*": "align alt border colspan rowspan height width title valign".split(), "img": ["src"], "a": ["href"]}


def as_on_github(html):
    without = re.sub(r"<(style|script|svg)\b.*?</\1>", "", html, flags=re.S)
    return bleach.clean(without, tags=TAGS, attributes=ATTRIBUTES, protocols=["http", "https", "data"], strip=True)


notebook = nbformat.read(file, as_version=4)
nbformat.validate(notebook)
exporter = HTMLExporter()
(out / "page.html").write_text(exporter.from_notebook_node(notebook)[0], encoding="utf-8")

PRIORITY = [kind for kind in exporter.config.NbConvertBase.display_data_priority if "widget" not in kind]

cells = {}
for cell in notebook.cells:
    shown = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        kind = next((kind for kind in PRIORITY if kind in data), "text/plain")
        text = data[kind]
        shown.append({"type": kind, "content": as_on_github(text) if kind == "text/html" else text})
    cells[cell.id] = shown
(out / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
