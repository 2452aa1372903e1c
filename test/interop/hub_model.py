"""huggingface_hub and transformers on the server and the cache that the environment names.

Usage: python hub_model.py fetch NAME     fetches a model into the cache
       python hub_model.py sum NAME       prints the sum of a model's logits on the first ten tokens, without a network
"""

import sys

what, name = sys.argv[1:]
if what == "fetch":
    from huggingface_hub import snapshot_download

    print(snapshot_download(name))
else:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    with torch.no_grad():
        print(model(torch.arange(10)[None]).logits.double().abs().sum().item())
