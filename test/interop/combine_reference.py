"""PEFT's sums of adapters.

Usage: python combine_reference.py OUT

Writes OUT/model (a small random Llama) and OUT/ids.safetensors (`ids` [batch, seq]), three adapters as PEFT folders in
OUT/one, OUT/two and OUT/three, of which the last has another rank, and OUT/combinations.json: a list of what was combined,
`name`, `adapters`, `weights`, and the arguments of add_weighted_adapter. Of each, OUT/<name> is the result as a PEFT folder
and OUT/logits.safetensors has the logits under `name`.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = Path(sys.argv[1])
torch.manual_seed(0)

base = LlamaForCausalLM(LlamaConfig(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=128, max_position_embeddings=64, tie_word_embeddings=False, eos_token_id=0, bos_token_id=0,
    initializer_range=0.1,
)).float()
base.save_pretrained(out / "model")
ids = torch.randint(1, 128, (2, 16))
save_file({"ids": ids.int()}, out / "ids.safetensors")

shared = dict(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj", "down_proj"])
model = get_peft_model(base, LoraConfig(r=4, lora_alpha=10, **shared), adapter_name="one")
model.add_adapter("two", LoraConfig(r=4, lora_alpha=4, **shared))
model.add_adapter("three", LoraConfig(r=3, lora_alpha=9, use_rslora=True, **shared))
for name, parameter in model.named_parameters():
    if "lora_" in name:
        parameter.data.normal_(0, 0.1)
model.save_pretrained(out)

pair = dict(adapters=["one", "two"], weights=[0.7, -0.4])
combinations = [
    dict(name="cat", adapters=["one", "two", "three"], weights=[0.7, -0.4, 1.5], combination_type="cat"),
    dict(name="svd", adapters=["one", "two", "three"], weights=[0.7, -0.4, 1.5], combination_type="svd"),
    dict(name="svd-5", combination_type="svd", svd_rank=5, **pair),
    dict(name="linear", combination_type="linear", **pair),
    dict(name="ties", combination_type="ties", density=0.5, **pair),
    dict(name="ties-frequency", combination_type="ties", density=0.6, majority_sign_method="frequency", **pair),
    dict(name="ties_svd", combination_type="ties_svd", density=0.5, svd_rank=6, **pair),
    dict(name="magnitude_prune", combination_type="magnitude_prune", density=0.3, **pair),
    dict(name="magnitude_prune_svd", combination_type="magnitude_prune_svd", density=0.3, svd_rank=6, **pair),
    # Its random choice apart, with nothing dropped.
    dict(name="dare_linear", combination_type="dare_linear", density=1.0, **pair),
    dict(name="dare_ties", combination_type="dare_ties", density=1.0, **pair),
    dict(name="dare_linear_svd", combination_type="dare_linear_svd", density=1.0, **pair),
    dict(name="dare_ties_svd", combination_type="dare_ties_svd", density=1.0, **pair),
]
logits = {}
for combination in combinations:
    settings = {key: value for key, value in combination.items() if key not in ("name", "adapters", "weights")}
    model.add_weighted_adapter(combination["adapters"], combination["weights"], combination["name"], **settings)
    model.set_adapter(combination["name"])
    with torch.no_grad():
        logits[combination["name"]] = model(input_ids=ids).logits.contiguous()
model.save_pretrained(out, selected_adapters=[combination["name"] for combination in combinations])
save_file(logits, out / "logits.safetensors")
(out / "combinations.json").write_text(json.dumps(combinations))
