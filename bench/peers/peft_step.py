"""Training steps of transformers + PEFT, on request.

Usage: python peft_step.py MODEL_FOLDER THREADS [ROWS LENGTH [DEVICE]]. Answers each line "lora" or "full" with the
milliseconds of one step (batch 8 x 128 tokens unless given, every position supervised, AdamW, gradient clipping at 1), and
"rss" with the largest resident memory of the process so far, in megabytes.
"""

import re
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

folder, threads = sys.argv[1], int(sys.argv[2])
rows, length = (int(n) for n in sys.argv[3:5]) if len(sys.argv) > 4 else (8, 128)
device = sys.argv[5] if len(sys.argv) > 5 else "cpu"
torch.set_num_threads(threads)
torch.manual_seed(0)


def trainee(lora):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").to(device)
    model.config.use_cache = False
    if lora:
        config = LoraConfig(r=8, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, config)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    return model, parameters, torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0)


def synchronize():
    if device != "cpu":
        torch.cuda.synchronize()


trainees = {}
print("ready", flush=True)
for line in sys.stdin:
    name = line.strip()
    if name == "rss":
        # Linux's own count: that of getrusage begins with what the starting process had.
        status = open("/proc/self/status").read()
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024 / 1e6, flush=True)
        continue
    if name not in trainees:
        trainees[name] = trainee(name == "lora")
    model, parameters, optimizer = trainees[name]
    vocabulary = model.config.vocab_size
    ids = torch.randint(0, vocabulary, (rows, length + 1))
    synchronize()
    start = time.perf_counter()
    ids = ids.to(device)
    # Predictions of all tokens but the first, as on our side: inputs and targets are given apart, so that neither is shifted away.
    logits = model(input_ids=ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), ids[:, 1:].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss.item()
    synchronize()
    print((time.perf_counter() - start) * 1000, flush=True)
