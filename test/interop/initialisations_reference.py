"""Decompositions as PyTorch makes them, and the initialisations of LoRA as PEFT makes them.

Usage: python initialisations_reference.py OUT

Writes OUT/decompositions.safetensors: for matrices M of several shapes and spectra `M.w`, `M.values`, `M.left` [rows, n],
`M.right` [n, columns] (singular vectors), `M.q` and `M.r`; OUT/model (a small random Llama) and OUT/ids.safetensors (`ids`,
`labels` [batch, seq], -100 where nothing is supervised). Then for each case OUT/<case>/adapter (a PEFT adapter that was
initialised and then moved as training would) and OUT/<case>/reference.safetensors: `start` and `logits` (before and
after), `loss`, `grad.<name>`, and the values that it started from, `first.<name>`.
"""

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

out = Path(sys.argv[1])
torch.manual_seed(0)

matrices = {"square": torch.randn(96, 96), "wide": torch.randn(40, 130), "high": torch.randn(150, 60)}
u, v = torch.linalg.qr(torch.randn(384, 384))[0], torch.linalg.qr(torch.randn(384, 384))[0]
matrices["decaying"] = u @ torch.diag(torch.logspace(1, -4, 384)) @ v.T
tensors = {}
for name, w in matrices.items():
    left, values, right = torch.linalg.svd(w.double(), full_matrices=False)
    q, r = torch.linalg.qr(w.double())
    parts = dict(w=w, values=values, left=left, right=right, q=q, r=r)
    tensors |= {f"{name}.{key}": part.float().contiguous() for key, part in parts.items()}
save_file(tensors, out / "decompositions.safetensors")

base = LlamaForCausalLM(LlamaConfig(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=128, max_position_embeddings=64, tie_word_embeddings=False, eos_token_id=0, bos_token_id=0,
    initializer_range=0.1,
)).float()
base.save_pretrained(out / "model")
ids = torch.randint(1, 128, (2, 16))
labels = ids.clone()
labels[:, :5] = -100
save_file({"ids": ids.int(), "labels": labels.int()}, out / "ids.safetensors")

LINEAR = dict(task_type="CAUSAL_LM", target_modules="all-linear")
# PEFT sorts the keys when it saves, and the first that matches counts: these are in that order.
PATTERNS = dict(use_rslora=True, rank_pattern={"mlp.down_proj": 3, "q_proj": 2}, alpha_pattern={"up_proj": 3})
CASES = {
    "pissa": LoraConfig(r=4, lora_alpha=10, init_lora_weights="pissa", **LINEAR),
    "pissa-patterns": LoraConfig(r=4, lora_alpha=10, init_lora_weights="pissa", **LINEAR, **PATTERNS),
    "olora": LoraConfig(r=4, lora_alpha=10, init_lora_weights="olora", **LINEAR),
    "olora-patterns": LoraConfig(r=4, lora_alpha=10, init_lora_weights="olora", **LINEAR, **PATTERNS),
}
for case, config in CASES.items():
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(out / "model"), config)
    trainable = {
        name.replace("base_model.model.", "").replace(".default", ""): p
        for name, p in model.named_parameters() if p.requires_grad
    }
    tensors = {f"first.{name}": p.detach().clone() for name, p in trainable.items()}
    with torch.no_grad():
        tensors["start"] = model(input_ids=ids).logits.contiguous()
    for p in trainable.values():
        p.data.add_(torch.randn_like(p), alpha=0.05)
    model.save_pretrained(out / case / "adapter")
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    tensors["loss"] = loss.detach().reshape(1)
    tensors |= {f"grad.{name}": p.grad.contiguous() for name, p in trainable.items()}
    with torch.no_grad():
        tensors["logits"] = model(input_ids=ids).logits.contiguous()
    save_file(tensors, out / case / "reference.safetensors")
