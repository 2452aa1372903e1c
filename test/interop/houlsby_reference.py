"""Houlsby et al.'s adapters in PyTorch, as modules behind o_proj and down_proj of a small random Llama.

Usage: python houlsby_reference.py OUT

Writes OUT/model, and OUT/reference.safetensors: `ids`, `labels` [batch, seq], the trainable arrays as `value.<name>`, and
what comes of them: `logits`, `loss` and `grad.<name>`.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = Path(sys.argv[1])
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=128, max_position_embeddings=64, eos_token_id=0, bos_token_id=0,
))
for name, p in model.named_parameters():
    p.data.uniform_(0.5, 1.5) if "norm" in name else p.data.mul_(4)
model.save_pretrained(out / "model")

model.requires_grad_(False)
trainable = {name: p.requires_grad_() for name, p in model.named_parameters() if "norm" in name}
for path, module in list(model.named_modules()):
    if not path.endswith(("o_proj", "down_proj")):
        continue
    width = module.out_features
    adapter = torch.nn.Sequential(torch.nn.Linear(width, 6), torch.nn.GELU(), torch.nn.Linear(6, width))
    module.register_forward_hook(lambda _, __, h, adapter=adapter: h + adapter(h))
    for name, p in adapter.named_parameters():
        trainable[f"{path}.adapter_{name.replace('0.', 'down.').replace('2.', 'up.')}"] = p

ids = torch.randint(1, 128, (2, 16))
labels = ids.clone()
labels[:, :5] = -100
result = model(input_ids=ids, labels=labels)
result.loss.backward()
tensors = {"ids": ids.int(), "labels": labels.int(), "logits": result.logits.detach(), "loss": result.loss.detach().reshape(1)}
for name, p in trainable.items():
    tensors[f"value.{name}"] = p.detach()
    tensors[f"grad.{name}"] = p.grad
save_file({name: t.contiguous() for name, t in tensors.items()}, out / "reference.safetensors")
