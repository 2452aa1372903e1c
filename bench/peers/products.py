"""Matrix products of PyTorch, on request.

Usage: python products.py THREADS DEVICE. Answers each line "PAIRS TOKENS FROM TO" with the milliseconds of so many pairs of
products in float32: TOKENS x FROM times FROM x TO, and back.
"""

import sys
import time

import torch

threads, device = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(threads)
torch.manual_seed(0)

made = {}
print("ready", flush=True)
for line in sys.stdin:
    pairs, *shape = (int(n) for n in line.split())
    tokens, inner, outer = shape
    if line not in made:
        made[line] = [torch.randn(*size, device=device) / inner**0.5 for size in ((tokens, inner), (inner, outer), (outer, inner))]
    x, there, back = made[line]
    start = time.perf_counter()
    with torch.no_grad():
        for _ in range(pairs):
            x = (x @ there) @ back
        x.max().item()
    print((time.perf_counter() - start) * 1000, flush=True)
