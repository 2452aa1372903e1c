"""What numpy and scipy say of an adapter: singular values of its updates, principal angles, intruder dimensions.

Usage: python spectra_reference.py OUT SMALL

Writes OUT/model (a small random Llama), OUT/adapter (a PEFT LoRA adapter with random values) and OUT/reference.json. There
`updates` has for each changed matrix by its path: `values` of B·A·s, `angles` between the 3 strongest left directions of the update and of
the weight (scipy.linalg.subspace_angles, ascending), and `closest`, for each of the 6 strongest left singular vectors of
W + B·A·s the largest |cosine| with a left singular vector of W, and `intruders`, how many are intruder dimensions as
Shuttleworth et al. define them, for some ε. `weights` has for weights of the model in SMALL, one of each shape: all
singular `values`, the 10 first `left` vectors, the absolute `coordinates` of the vector cos(0), cos(1) … in the basis of
all left vectors, and of the QR decomposition 5 columns of `q` and of the diagonal of `r`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from scipy.linalg import subspace_angles
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

out, small = Path(sys.argv[1]), Path(sys.argv[2])


def intruders(before, after, epsilon, k):
    """A singular vector of the fine-tuned weight is an intruder if its cosine with each of W's is below epsilon."""
    count = 0
    for j in range(k):
        cosines = [abs(after[:, j] @ before[:, i]) for i in range(before.shape[1])]
        count += all(cosine < epsilon for cosine in cosines)
    return count


torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=64, max_position_embeddings=64, eos_token_id=0, bos_token_id=0, initializer_range=0.1,
)).save_pretrained(out / "model")
targets = ["q_proj", "k_proj", "up_proj", "down_proj"]
base = AutoModelForCausalLM.from_pretrained(out / "model")
model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, target_modules=targets))
for parameter in model.parameters():
    if parameter.requires_grad:
        torch.nn.init.normal_(parameter, std=0.2)
model.save_pretrained(out / "adapter")

updates = {}
for path, module in model.base_model.model.named_modules():
    if not hasattr(module, "get_delta_weight") or not module.lora_A:
        continue
    w = module.base_layer.weight.detach().double().numpy()
    a, b = (m["default"].weight.detach().double().numpy() for m in (module.lora_A, module.lora_B))
    delta = module.scaling["default"] * b @ a
    u, values, _ = np.linalg.svd(delta, full_matrices=False)
    x, _, _ = np.linalg.svd(w, full_matrices=False)
    tuned, _, _ = np.linalg.svd(w + delta, full_matrices=False)
    updates[path] = {
        "values": values[:4].tolist(),
        "angles": sorted(subspace_angles(u[:, :3], x[:, :3]).tolist()),
        "closest": np.abs(tuned[:, :6].T @ x).max(axis=1).tolist(),
        "intruders": {str(epsilon): intruders(x, tuned, epsilon, 6) for epsilon in (0.3, 0.5, 0.7)},
    }

weights = {}
tensors = load_file(next(small.glob("*.safetensors")))
for module in ["self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "mlp.down_proj"]:
    name = f"model.layers.2.{module}.weight"
    w = tensors[name].double().numpy()
    u, values, _ = np.linalg.svd(w, full_matrices=False)
    q, r = np.linalg.qr(w)
    weights[name] = {
        "values": values.tolist(),
        "left": u[:, :10].T.tolist(),
        "coordinates": np.abs(np.cos(np.arange(len(w))) @ u).tolist(),
        "q": q[:, :5].T.tolist(),
        "r": np.diag(r)[:5].tolist(),
    }
(out / "reference.json").write_text(json.dumps({"updates": updates, "weights": weights}))
