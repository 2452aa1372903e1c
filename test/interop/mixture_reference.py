"""A mixture of LoRAs with a learned gate in PyTorch, behind the linear layers of the MLP of a small random Llama.

Usage: python mixture_reference.py OUT

Writes OUT/model, and for k = 1, 2 and 4 of 4 experts OUT/<k>.safetensors: `ids`, `labels` [batch, seq], the trainable arrays
as `value.<name>`, and what comes of them: `logits`, `loss` with the term that balances the experts, and `grad.<name>`.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

EXPERTS, RANK, ALPHA, BALANCE = 4, 3, 6, 0.5
out = Path(sys.argv[1])
torch.manual_seed(0)
base = LlamaForCausalLM(LlamaConfig(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=128, max_position_embeddings=64, eos_token_id=0, bos_token_id=0,
))
for p in base.parameters():
    p.data.mul_(4)
base.save_pretrained(out / "model")
ids = torch.randint(1, 128, (2, 16))
labels = ids.clone()
labels[:, :5] = -100


class Mixture(torch.nn.Module):
    def __init__(self, linear, k):
        super().__init__()
        self.linear, self.k = linear, k
        self.gate = torch.nn.Linear(linear.in_features, EXPERTS, bias=False)
        self.a = torch.nn.ModuleList(torch.nn.Linear(linear.in_features, RANK, bias=False) for _ in range(EXPERTS))
        self.b = torch.nn.ModuleList(torch.nn.Linear(RANK, linear.out_features, bias=False) for _ in range(EXPERTS))

    def forward(self, x):
        scores = self.gate(x)
        chosen = scores.topk(self.k, dim=-1)
        weights = torch.zeros_like(scores).scatter(-1, chosen.indices, chosen.values.softmax(-1))
        y = self.linear(x)
        for i in range(EXPERTS):
            y = y + weights[..., i : i + 1] * (ALPHA / RANK) * self.b[i](self.a[i](x))
        # Switch Transformers, equations 4 to 6.
        first = torch.nn.functional.one_hot(scores.argmax(-1), EXPERTS).float()
        self.imbalance = EXPERTS * (first.mean((0, 1)) * scores.softmax(-1).mean((0, 1))).sum()
        return y


for k in (1, 2, 4):
    model = LlamaForCausalLM.from_pretrained(out / "model").requires_grad_(False)
    mixtures = {}
    for path, module in list(model.named_modules()):
        if path.endswith(("gate_proj", "up_proj", "down_proj")):
            parent, name = path.rsplit(".", 1)
            mixtures[path] = Mixture(module, k)
            setattr(model.get_submodule(parent), name, mixtures[path])
    result = model(input_ids=ids, labels=labels)
    loss = result.loss + BALANCE * sum(m.imbalance for m in mixtures.values()) / len(mixtures)
    loss.backward()
    tensors = {"ids": ids.int(), "labels": labels.int(), "logits": result.logits, "loss": loss.reshape(1)}
    for path, m in mixtures.items():
        for name, parts, axis in (("gate", [m.gate], 0), ("A", m.a, 0), ("B", m.b, 1)):
            tensors[f"value.{path}.mixture_{name}.weight"] = torch.cat([part.weight for part in parts], axis)
            tensors[f"grad.{path}.mixture_{name}.weight"] = torch.cat([part.weight.grad for part in parts], axis)
    save_file({name: t.detach().contiguous() for name, t in tensors.items()}, out / f"{k}.safetensors")
