"""Five steps of training as PyTorch, transformers and PEFT take them: LoRA, and full fine-tuning.

Usage: python optimizer_reference.py OUT

LoRA+ is the LoRA of the same start, with PEFT's optimizer for it.

Writes OUT/model (a small random Llama), OUT/adapter (a PEFT adapter with random A and B, before training) and
OUT/reference.safetensors: for NAME in lora, loraplus and full `NAME.losses` and `NAME.norms` [5], the loss of each step and the
norm of its gradient before clipping, and the trained tensors under `NAME.trained.<name>`. OUT/examples.json has the
examples, of which every step sees all.

Token 0 ends a text and token 1 + b is byte b; only completions are supervised.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = Path(sys.argv[1])
torch.manual_seed(0)

config = LlamaConfig(
    hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, num_hidden_layers=2,
    vocab_size=257, rms_norm_eps=1e-5, max_position_embeddings=128, tie_word_embeddings=True, eos_token_id=0,
    bos_token_id=0, initializer_range=0.1,
)
model = LlamaForCausalLM(config).float()
# Random norms as well: at their initial ones a mistake in their decay would not show.
for name, parameter in model.named_parameters():
    if "norm" in name:
        parameter.data.uniform_(0.5, 1.5)
model.save_pretrained(out / "model")
start = {key: value.clone() for key, value in model.state_dict().items()}

examples = [
    {"prompt": "one and one?", "completion": " two"},
    {"prompt": "red and blue?", "completion": " violet"},
    {"prompt": "sky?", "completion": " blue"},
    {"prompt": "", "completion": "a text without a prompt"},
]
(out / "examples.json").write_text(json.dumps(examples))


def tokens(text):
    return [1 + byte for byte in text.encode()]


rows = [(tokens(example["prompt"]), tokens(example["completion"]) + [0]) for example in examples]
length = max(len(prompt) + len(completion) for prompt, completion in rows)
ids = torch.zeros(len(rows), length, dtype=torch.long)
labels = torch.full_like(ids, -100)
for row, (prompt, completion) in enumerate(rows):
    end = len(prompt) + len(completion)
    ids[row, :end] = torch.tensor(prompt + completion)
    labels[row, len(prompt):end] = torch.tensor(completion)

tensors = {}


def train(name, model, rate, longest, ratio=None):
    """Every matrix decays; norms, which are vectors, do not."""
    trainable = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = [parameter for parameter in trainable.values() if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable.values() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)
    if ratio:
        plus = dict(lr=rate, loraplus_lr_ratio=ratio, loraplus_weight_decay=0.1)
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, **plus)
    losses, norms = [], []
    for _ in range(5):
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trainable.values(), longest))
        optimizer.step()
        losses.append(loss.detach())
    tensors[f"{name}.losses"] = torch.stack(losses)
    tensors[f"{name}.norms"] = torch.stack(norms)
    for key, parameter in trainable.items():
        key = key.replace("base_model.model.", "").replace(".default", "")
        tensors[f"{name}.trained.{key}"] = parameter.detach().clone()


train("full", model, 1e-3, 4.0)
model.load_state_dict(start)

adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM"))
for key, parameter in adapted.named_parameters():
    if "lora_" in key:
        parameter.data.normal_(0, 0.05)
adapted.save_pretrained(out / "adapter")
start = {key: value.clone() for key, value in adapted.state_dict().items()}
train("lora", adapted, 1e-2, 1.1)
adapted.load_state_dict(start)
train("loraplus", adapted, 1e-2, 1.6, ratio=8)

save_file(tensors, out / "reference.safetensors")
