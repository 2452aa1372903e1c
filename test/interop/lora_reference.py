"""Loss and gradients of LoRA and of full fine-tuning, as PyTorch, transformers and PEFT compute them.

Usage: python lora_reference.py OUT

Writes OUT/model (a small random Llama), OUT/adapter (a PEFT adapter with random A and B), and OUT/reference.safetensors:
`ids` and `labels` [batch, seq] (-100 where nothing is supervised), `lora.loss`, `full.loss`, `merged.logits`,
`adapted.logits`, and the gradient of every trainable tensor under `lora.grad.<name>` and `full.grad.<name>`.
"""

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)

config = LlamaConfig(
    hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, num_hidden_layers=3,
    vocab_size=256, rms_norm_eps=1e-5, max_position_embeddings=64, tie_word_embeddings=True, eos_token_id=0,
    bos_token_id=0,
)
model = LlamaForCausalLM(config).float()
# Random norms as well: at their initial ones a mistake in their gradient would not show.
for name, parameter in model.named_parameters():
    if "norm" in name:
        parameter.data.uniform_(0.5, 1.5)
model.save_pretrained(out / "model")

ids = torch.randint(1, 256, (3, 24))
labels = ids.clone()
labels[:, :9] = -100
labels[1, 15:] = -100
tensors = {"ids": ids.int(), "labels": labels.int()}


def gradients(name, model):
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    tensors[f"{name}.loss"] = loss.detach().reshape(1)
    for key, parameter in model.named_parameters():
        if parameter.grad is not None:
            key = key.replace("base_model.model.", "").replace(".default", "")
            tensors[f"{name}.grad.{key}"] = parameter.grad.contiguous()


gradients("full", model)
model.zero_grad(set_to_none=True)

adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=10, target_modules="all-linear", task_type="CAUSAL_LM"))
for key, parameter in adapted.named_parameters():
    if "lora_" in key:
        parameter.data.normal_(0, 0.05)
gradients("lora", adapted)
adapted.save_pretrained(out / "adapter")
with torch.no_grad():
    tensors["adapted.logits"] = adapted(input_ids=ids).logits.contiguous()
    tensors["merged.logits"] = adapted.merge_and_unload()(input_ids=ids).logits.contiguous()

save_file(tensors, out / "reference.safetensors")
