"""The state that each widget of ipywidgets begins with: models.json, by model name, layout and style as their model's name."""

import json
import sys
from pathlib import Path

import ipywidgets

NAMES = sys.argv[2:]

states = {}
for name in NAMES:
    widget = getattr(ipywidgets, name)()
    state = widget.get_state()
    for part in ("layout", "style"):
        if part in state:
            own = getattr(widget, part).get_state()
            states[own["_model_name"]] = own
            state[part] = own["_model_name"]
    states[state["_model_name"]] = state

Path(sys.argv[1], "models.json").write_text(json.dumps(states))
