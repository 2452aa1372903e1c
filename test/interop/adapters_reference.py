"""Every method that PEFT has too: adapters with random values, and what PyTorch, transformers and PEFT make of them.

Usage: python adapters_reference.py OUT

Writes OUT/model (a small random Qwen2: biases, tied head) and OUT/ids.safetensors (`ids`, `labels` [batch, seq], -100
where nothing is supervised); then for each case OUT/<case>/adapter (a PEFT adapter folder) and OUT/<case>/reference
.safetensors: `count` (trainable parameters), `logits`, `merged` (the same after merge_and_unload, where merging keeps a
tied head as it is), `loss`, and under `grad.<name>` the gradient of every trainable tensor, named as in the file.
OUT/rows.safetensors has the `logits` of a batch `ids` whose rows have the adapters lora-patterns, none and lora.
"""

import sys
from pathlib import Path

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, VeraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)

base = Qwen2ForCausalLM(Qwen2Config(
    hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=80, num_hidden_layers=2,
    vocab_size=128, max_position_embeddings=64, tie_word_embeddings=True, eos_token_id=0, bos_token_id=0,
)).float()
# Random norms and biases as well: at their initial values a mistake with them would not show.
for name, parameter in base.named_parameters():
    if "norm" in name:
        parameter.data.uniform_(0.5, 1.5)
    elif "bias" in name:
        parameter.data.normal_(0, 0.3)
    else:
        parameter.data.mul_(4)
base.save_pretrained(out / "model")

ids = torch.randint(1, 128, (2, 16))
labels = ids.clone()
labels[:, :5] = -100
save_file({"ids": ids.int(), "labels": labels.int()}, out / "ids.safetensors")

LINEAR = dict(task_type="CAUSAL_LM", target_modules="all-linear")
# PEFT sorts the keys when it saves, and the first that matches counts: these are in that order.
PATTERNS = dict(
    rank_pattern={r"layers\.1\.mlp\..*": 6, "mlp.down_proj": 3, "q_proj": 2},
    alpha_pattern={"up_proj": 3, "model.layers.0.self_attn.v_proj": 20},
)
CASES = {
    "lora": LoraConfig(r=4, lora_alpha=10, **LINEAR),
    "lora-patterns": LoraConfig(r=4, lora_alpha=10, use_rslora=True, **LINEAR, **PATTERNS),
    "lora-embedding": LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", target_modules=["embed_tokens", "q_proj"]),
    "lora-modules": LoraConfig(
        r=4, lora_alpha=6, task_type="CAUSAL_LM", target_modules=["v_proj"], modules_to_save=["lm_head", "layernorm"]
    ),
    "dora": LoraConfig(r=4, lora_alpha=10, use_dora=True, **LINEAR),
    "dora-patterns": LoraConfig(r=4, lora_alpha=10, use_dora=True, use_rslora=True, **LINEAR, **PATTERNS),
}
CASES["vera"] = VeraConfig(r=24, **LINEAR)
CASES["vera-some"] = VeraConfig(
    r=64, task_type="CAUSAL_LM", target_modules=["k_proj", "down_proj"], projection_prng_key=5, d_initial=0.3,
    modules_to_save=["model.norm"],
)
# Saved with all ranks, and with ranks handed out, of one module none.
CASES["adalora"] = AdaLoraConfig(init_r=6, target_r=3, lora_alpha=10, total_step=50, **LINEAR)
CASES["adalora-cut"] = AdaLoraConfig(
    init_r=5, target_r=2, lora_alpha=10, total_step=50, task_type="CAUSAL_LM", target_modules=["q_proj", "down_proj"],
    modules_to_save=["model.norm"],
    rank_pattern={
        "model.layers.0.self_attn.q_proj.lora_E": [True, False, True, True, False],
        "model.layers.0.mlp.down_proj.lora_E": [False] * 5,
        "model.layers.1.self_attn.q_proj.lora_E": [False, False, False, False, True],
        "model.layers.1.mlp.down_proj.lora_E": [True] * 5,
    },
)
KEEPS_HEAD = {"lora-embedding": False, "lora-modules": False}


def key_of(name):
    """The name in the file of a parameter of the wrapped model."""
    name = name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector")
    return name.replace(".modules_to_save.default", "").replace(".default", "")


for case, config in CASES.items():
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(out / "model"), config)
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for p in trainable.values():
        p.data.add_(torch.randn_like(p), alpha=0.05)
    model.save_pretrained(out / case / "adapter")
    if case == "adalora-cut":
        # Saving cuts what the pattern leaves out; loading makes the trainable arrays that small.
        whole = AutoModelForCausalLM.from_pretrained(out / "model")
        model = PeftModel.from_pretrained(whole, out / case / "adapter", is_trainable=True)
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel() > 0}
    tensors = {"count": torch.tensor([model.get_nb_trainable_parameters()[0]], dtype=torch.int32)}
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    tensors["loss"] = loss.detach().reshape(1)
    for name, p in trainable.items():
        tensors[f"grad.{key_of(name)}"] = p.grad.contiguous()
    with torch.no_grad():
        tensors["logits"] = model(input_ids=ids).logits.contiguous()
        if KEEPS_HEAD.get(case, True):
            tensors["merged"] = model.merge_and_unload()(input_ids=ids).logits.contiguous()
    save_file(tensors, out / case / "reference.safetensors")

# Rows of one batch with adapters of their own.
names = ["lora-patterns", "__base__", "lora"]
model = PeftModel.from_pretrained(
    AutoModelForCausalLM.from_pretrained(out / "model"), out / "lora" / "adapter", adapter_name="lora"
)
model.load_adapter(out / "lora-patterns" / "adapter", "lora-patterns")
model.eval()
rows = torch.randint(1, 128, (len(names), 16))
with torch.no_grad():
    logits = model(input_ids=rows, adapter_names=names).logits
save_file({"ids": rows.int(), "logits": logits.contiguous()}, out / "rows.safetensors")
