"""The ranks that PEFT's RankAllocator hands out over a run, for made-up gradients and plain gradient descent.

Usage: python adalora_reference.py OUT

Writes OUT/model and OUT/adapter (a PEFT adapter folder before the run), and OUT/run.safetensors: for each step t from 1 the
gradients `t.grad.<name>` and, after the step and its allocation, the values `t.lambda.<name>` of all λ, named as in the
adapter's file. A step is w ← w − 0.5·g.
"""

import sys
from pathlib import Path

import torch
from peft import AdaLoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

STEPS = 30
out = Path(sys.argv[1])
torch.manual_seed(0)
base = LlamaForCausalLM(LlamaConfig(
    hidden_size=16, num_attention_heads=2, num_key_value_heads=1, intermediate_size=24, num_hidden_layers=2,
    vocab_size=32, max_position_embeddings=32, eos_token_id=0, bos_token_id=0,
))
base.save_pretrained(out / "model")
config = AdaLoraConfig(
    init_r=6, target_r=2, tinit=4, tfinal=6, deltaT=3, beta1=0.8, beta2=0.7, total_step=STEPS, task_type="CAUSAL_LM",
    target_modules=["q_proj", "v_proj", "down_proj"],
)
model = get_peft_model(base, config)
model.save_pretrained(out / "adapter")

tensors = {}
for step in range(1, STEPS + 1):
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        # Of other sizes from row to row, so that some triplets matter more than others.
        p.grad = torch.randn_like(p) * torch.rand(p.shape[0], 1)
        p.data -= 0.5 * p.grad
        tensors[f"{step}.grad.{name.replace('.default', '')}"] = p.grad
    model.base_model.update_and_allocate(step)
    for name, p in model.named_parameters():
        if "lora_E" in name:
            tensors[f"{step}.lambda.{name.replace('.default', '')}"] = p.detach().clone()
save_file(tensors, out / "run.safetensors")
