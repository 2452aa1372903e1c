"""What transformers makes of the model folders that we wrote.

Usage: python merged_model_load.py OUT TEXT FOLDER...

OUT/<number>.safetensors for each folder: `ids` of TEXT by its tokenizer, and `logits` in float32. OUT/folders.json: for each
the dtype that it is stored in, the tokens that end a text, and TEXT as a chat.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

out, text, *folders = sys.argv[1:]
told = []
for number, folder in enumerate(folders):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        save_file({"ids": ids, "logits": model(ids).logits.contiguous()}, Path(out) / f"{number}.safetensors")
    stored = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype
    chat = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False)
    told.append({"dtype": str(stored), "ends": model.generation_config.eos_token_id, "chat": chat})
(Path(out) / "folders.json").write_text(json.dumps(told))
