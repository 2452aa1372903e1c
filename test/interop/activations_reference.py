"""Bytes that PyTorch's autograd keeps of one forward pass, for transformers' models with and without PEFT's adapters.

usage: activations_reference.py OUT CASES     CASES is JSON: a list of {config, batch, sequence, attention, peft or null}
"""

import json
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM


def kept(case):
    config = AutoConfig.for_model(**case["config"])
    config._attn_implementation = {"fused": "sdpa", "eager": "eager"}[case["attention"]]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    if case["peft"]:
        model = get_peft_model(model, LoraConfig(**case["peft"]))
    model.train()
    model.config.use_cache = False
    ids = torch.randint(0, config.vocab_size, (case["batch"], case["sequence"]))
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # The model without its head: the logits are a term of their own.
        inner = model.base_model.model.model if case["peft"] else model.model
        hidden = inner(input_ids=ids, use_cache=False).last_hidden_state
    assert hidden.requires_grad
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"bytes": sum(size for size, _ in storages.values()), "trainable": trainable}


out, cases = sys.argv[1:3]
with open(f"{out}/kept.json", "w") as file:
    json.dump([kept(case) for case in json.loads(cases)], file)
