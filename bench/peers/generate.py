"""Greedy generation of transformers with its KV cache, on request.

Usage: python generate.py MODEL_FOLDER THREADS PROMPT_IDS. Answers each line, a number of tokens, with milliseconds.
"""

import sys
import time

import torch
from transformers import AutoModelForCausalLM

folder, threads, ids = sys.argv[1], int(sys.argv[2]), [int(i) for i in sys.argv[3].split(",")]
torch.set_num_threads(threads)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
prompt = torch.tensor([ids])
print("ready", flush=True)
for line in sys.stdin:
    tokens = int(line)
    start = time.perf_counter()
    with torch.inference_mode():
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), min_new_tokens=tokens, max_new_tokens=tokens,
            do_sample=False, pad_token_id=0,
        )
    print((time.perf_counter() - start) * 1000, flush=True)
