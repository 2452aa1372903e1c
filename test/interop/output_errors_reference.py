"""How far one model is from another in transformers, on the same tokens.

Usage: python output_errors_reference.py OUT EXACT OTHER IDS

EXACT and OTHER are model folders, IDS is JSON: a list of tokens. Writes OUT/errors.json with, by layer from the embedding
on, RMS(h' - h) / RMS(h); of the predictions the mean KL divergence and both losses, in nats.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

out, exact, other, ids = sys.argv[1:5]
ids = torch.tensor([json.loads(ids)])


@torch.no_grad()
def read(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    states = []
    # What is listed as the last hidden state has been normalised; the norm's input has not.
    model.model.norm.register_forward_pre_hook(lambda module, inputs: states.append(inputs[0]))
    result = model(ids[:, :-1], output_hidden_states=True)
    return [*result.hidden_states[:-1], *states], result.logits.double().log_softmax(-1)[0]


(h, p), (g, q) = read(exact), read(other)
nats = torch.nn.functional.nll_loss
errors = {
    "hidden": [((b - a).double().square().sum() / a.double().square().sum()).sqrt().item() for a, b in zip(h, g)],
    "divergence": (p.exp() * (p - q)).sum(-1).mean().item(),
    "exact": nats(p, ids[0, 1:]).item(),
    "other": nats(q, ids[0, 1:]).item(),
}
with open(f"{out}/errors.json", "w") as file:
    json.dump(errors, file)
