"""Losses, metrics and gradients of TRL's DPOTrainer, RewardTrainer and GRPOTrainer on a LoRA adapter of PEFT.

Usage: python objectives_reference.py OUT

Writes OUT/model (a small random Llama), OUT/dpo and OUT/reward (PEFT adapters with random A and B; the second with the
head of sequence classification), OUT/data.json (pairs, and completions with their rewards) and OUT/reference.safetensors:
for NAME in dpo, reward, grpo and onpolicy `NAME.loss`, `NAME.metric.<name>` and `NAME.gradient.<parameter>`.

Only TRL's losses are called, with what they read of their trainer: batches are made here. Token 0 ends a text and token
1 + b is byte b.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification
from trl import DPOTrainer, GRPOTrainer, RewardTrainer

out = Path(sys.argv[1])
torch.manual_seed(0)

config = LlamaConfig(
    hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, num_hidden_layers=2,
    vocab_size=257, rms_norm_eps=1e-5, max_position_embeddings=64, tie_word_embeddings=True, eos_token_id=0,
    bos_token_id=0, pad_token_id=0, initializer_range=0.1,
)
base = LlamaForCausalLM(config).float()
base.save_pretrained(out / "model")
start = {key: value.clone() for key, value in base.state_dict().items()}

pairs = [
    {"prompt": "one and one?", "chosen": " two", "rejected": " one and one is two"},
    {"prompt": "red and blue?", "chosen": " violet", "rejected": " red"},
    {"prompt": "sky?", "chosen": " blue", "rejected": " the sky is blue"},
]
groups = [
    {"prompt": "two?", "completions": [" 2", " two", " 3", ""], "rewards": [1.0, 0.5, 0.0, 0.0]},
    {"prompt": "a longer prompt?", "completions": ["b", " yes", " no", " perhaps"], "rewards": [0.1, 0.2, 0.3, -2.0]},
]


def tokens(text):
    return [1 + byte for byte in text.encode()]


def padded(rows, value=0):
    length = max(len(row) for row in rows)
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


tensors = {}
trainer = lambda model, **settings: SimpleNamespace(  # noqa: E731
    model=model,
    accelerator=SimpleNamespace(
        device="cpu", num_processes=1, gather=lambda x: x, gather_for_metrics=lambda x: x, reduce=lambda x, **_: x
    ),
    _metrics=defaultdict(lambda: defaultdict(list)),
    _total_train_tokens=0,
    _tp_size=1,
    aux_loss_enabled=False,
    **settings,
)


def record(name, model, loss, metrics):
    model.zero_grad()
    loss.backward()
    tensors[f"{name}.loss"] = loss.detach().reshape(1)
    for metric, values in metrics["train"].items():
        tensors[f"{name}.metric.{metric}"] = torch.tensor(values[-1:], dtype=torch.float32)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = key.replace("base_model.model.", "").replace(".default", "").replace("modules_to_save.", "")
            tensors[f"{name}.gradient.{key}"] = parameter.grad.clone()


def adapted(model, task, folder):
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", task_type=task))
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, 0.1)
    model.save_pretrained(out / folder)
    return model.train()


# DPO
model = adapted(base, "CAUSAL_LM", "dpo")
rows = [(tokens(p["prompt"]), tokens(p[which]) + [0]) for which in ("chosen", "rejected") for p in pairs]
inputs = {
    "input_ids": padded([prompt + completion for prompt, completion in rows]),
    "attention_mask": padded([[1] * len(prompt + completion) for prompt, completion in rows]),
    "completion_mask": padded([[0] * len(prompt) + [1] * len(completion) for prompt, completion in rows]),
}


def token_logps(model, ids, mask):
    logp = model(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
    return logp.gather(2, ids[:, 1:, None])[..., 0], -(logp.exp() * logp).sum(-1)


with torch.no_grad(), model.disable_adapter():
    reference, _ = token_logps(model, inputs["input_ids"], inputs["attention_mask"])
    sums = (reference * inputs["completion_mask"][:, 1:]).sum(1)
inputs["ref_chosen_logps"], inputs["ref_rejected_logps"] = sums.chunk(2)
dpo = trainer(
    model, beta=0.1, ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=["sigmoid"],
    loss_weights=[1.0], use_weighting=False, label_smoothing=0.0,
)
record("dpo", model, DPOTrainer._compute_loss(dpo, model, inputs, False), dpo._metrics)

# GRPO: on the same adapter. With π_old = π, and with another π_old, from which some tokens have gone too far.
rollouts = [(tokens(g["prompt"]), tokens(c) + [0]) for g in groups for c in g["completions"]]
rewards = torch.tensor([g["rewards"] for g in groups])
advantages = ((rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)).flatten()
ids = padded([prompt + completion for prompt, completion in rollouts])
attention = padded([[1] * len(prompt + completion) for prompt, completion in rollouts])
width = max(len(completion) for _, completion in rollouts)


def completion_rows(values):
    """The completions' part of values for all predictions, each from the start of its row."""
    picked = [v[len(p) - 1 : len(p) + len(c) - 1] for v, (p, c) in zip(values, rollouts)]
    return torch.nn.utils.rnn.pad_sequence(picked, batch_first=True)


with torch.no_grad():
    with model.disable_adapter():
        reference = completion_rows(token_logps(model, ids, attention)[0])
    current = completion_rows(token_logps(model, ids, attention)[0])
mask = padded([[1] * len(c) for _, c in rollouts])
old = (current + 0.3 * torch.randn_like(current)) * mask

for name, given in (("onpolicy", None), ("grpo", old)):
    grpo = trainer(
        model, beta=0.04, epsilon_low=0.2, epsilon_high=0.2, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        importance_sampling_level="token", loss_type="grpo", use_vllm=False, _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1, args=SimpleNamespace(use_bias_correction_kl=False, delta=None),
        _get_per_token_logps_and_entropies=lambda model, *_, **__: (
            *map(completion_rows, token_logps(model, ids, attention)),
            None,
        ),
    )
    batch = {
        "prompt_ids": ids[:, :0], "prompt_mask": attention[:, :0], "completion_ids": padded([c for _, c in rollouts]),
        "completion_mask": mask, "advantages": advantages, "ref_per_token_logps": reference,
        "old_per_token_logps": given,
    }
    record(name, model, GRPOTrainer._compute_loss(grpo, model, batch), grpo._metrics)

tensors["advantages"] = advantages
tensors["reference"] = reference.contiguous()
tensors["old"] = old.contiguous()

# Reward model
classifier = LlamaForSequenceClassification(LlamaConfig.from_dict({**config.to_dict(), "num_labels": 1})).float()
classifier.model.load_state_dict({k.removeprefix("model."): v for k, v in start.items() if k != "lm_head.weight"})
model = adapted(classifier, "SEQ_CLS", "reward")
# Padding and end-of-text are the same token here, so transformers would take an earlier one for the last: it looks for
# the last that is no padding. With a padding token of its own it finds the end.
model.config.pad_token_id = classifier.config.pad_token_id = 256
inputs = {"input_ids": padded([p + c for p, c in rows], 256), "attention_mask": inputs["attention_mask"]}
reward = trainer(model, args=SimpleNamespace(center_rewards_coefficient=None))
record("reward", model, RewardTrainer.compute_loss(reward, model, dict(inputs)), reward._metrics)
with torch.no_grad():
    tensors["rewards"] = model(**inputs).logits[:, 0].clone()

(out / "data.json").write_text(json.dumps({"pairs": pairs, "groups": groups}))
save_file(tensors, out / "reference.safetensors")
