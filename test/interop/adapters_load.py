"""Logits of a model with adapters that PEFT reads from folders.

Usage: python adapters_load.py OUT MODEL IDS FOLDER...

Writes OUT/logits.safetensors: for each folder, by its last part, the logits [batch, seq, vocab] of MODEL with that adapter
on the `ids` of the safetensors file IDS. Fails when an array of a folder finds no place, or a place no array.
"""

import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

# PEFT only warns of missing keys.
warnings.filterwarnings("error", message=".*missing.*keys.*")
out, base, ids_file, *folders = map(Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
ids = load_file(ids_file)["ids"].long()
logits = {}
for folder in folders:
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    unplaced = model.load_adapter(folder, "again").unexpected_keys
    assert not unplaced, f"{folder}: {unplaced}"
    with torch.no_grad():
        logits[folder.name] = model(input_ids=ids).logits.contiguous()
save_file(logits, out / "logits.safetensors")
