"""Decompositions as PyTorch makes them, and the initialisations of LoRA as PEFT makes them.

Usage: python initialisations_reference.py OUT

Writes OUT/decompositions.safetensors: for matrices M of several shapes and spectra `M.w`, `M.values`, `M.left` [rows, n],
`M.right` [n, columns] (singular vectors), `M.q` and `M.r`; OUT/model (a small random Llama) and OUT/ids.safetensors (`ids`,
`labels` [batch, seq], -100 where nothing is supervised). Then for each case OUT/<case>/adapter (a PEFT adapter that was
initialised and then moved as training would) and OUT/<case>/reference.safetensors: `start` and `logits` (before and
after), `loss`, `grad.<name>`, and the values that it started from, `first.<name>`.

OUT/eva: EVA's start on the texts `ids`, one batch: a PEFT adapter folder, and reference.safetensors with its `logits`.
OUT/loftq.safetensors: of LoftQ with T iterations on the matrix `w`, `T.quantized`, `T.a` and `T.b`. PEFT asks for a GPU and
bitsandbytes; the quantization is done here, all else is PEFT's.
"""

import sys
from pathlib import Path

import torch
from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
from peft.utils.loftq_utils import _low_rank_decomposition
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

config = LoraConfig(
    r=4, lora_alpha=10, init_lora_weights="eva", eva_config=EvaConfig(rho=2.0, tau=0.99, use_label_mask=False), **LINEAR
)
model = get_peft_model(AutoModelForCausalLM.from_pretrained(out / "model"), config)
initialize_lora_eva_weights(model, [{"input_ids": ids}], show_progress_bar=False)
for name, p in model.named_parameters():
    if "lora_B" in name:
        p.data.normal_(0, 0.1)
model.save_pretrained(out / "eva" / "adapter")
with torch.no_grad():
    save_file({"logits": model(input_ids=ids).logits.contiguous()}, out / "eva" / "reference.safetensors")

NF4 = torch.tensor([
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
])


def rounded(w):
    blocks = w.reshape(-1, 64)
    absmax = blocks.abs().max(dim=1, keepdim=True).values
    codes = torch.bucketize(blocks / absmax, (NF4[1:] + NF4[:-1]) / 2)
    return (NF4[codes] * absmax).reshape(w.shape)


w = torch.randn(64, 96)
tensors = {"w": w}
for iterations in (1, 5):
    rest = w
    for _ in range(iterations):
        quantized = rounded(rest)
        parts = _low_rank_decomposition(w - quantized, reduced_rank=8)
        rest = w - parts["L"] @ parts["R"]
    parts = {"quantized": quantized, "a": parts["R"], "b": parts["L"]}
    tensors |= {f"{iterations}.{key}": part.contiguous() for key, part in parts.items()}
save_file(tensors, out / "loftq.safetensors")
