"""Runs notebooks with nbclient, as Jupyter's own tools do: OUT KERNEL NOTEBOOK... writes the executed copies into OUT."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

out, kernel, *notebooks = sys.argv[1:]
for file in map(Path, notebooks):
    notebook = nbformat.read(file, as_version=4)
    client = NotebookClient(
        notebook, kernel_name=kernel, timeout=1800, resources={"metadata": {"path": str(file.parent)}}
    )
    client.execute()
    nbformat.validate(notebook)
    nbformat.write(notebook, Path(out) / file.name)
