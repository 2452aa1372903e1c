"""Step 3 of the recipe: pre-trains a base model on one GPU.

    python models/recipe/pretrain.py --config small --data DATA --out OUT --tokens 1e9 --minutes 9

DATA is what bpe.py wrote. OUT gets model.safetensors (fp16), config.json, the tokenizer and metrics.json.

The model is the Llama architecture as transformers' LlamaForCausalLM computes it, with the same parameter names.
All tokens live on the GPU; each step draws random windows there, so many from each domain as MIX says. With
--minutes the number of tokens is cut, after the first steps have shown the speed, so that the learning rate has
come down to zero and everything is written in that time. A run that was stopped goes on from OUT/checkpoint.pt.
"""

import argparse
import json
import lzma
import math
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

START = time.time()

CONFIGS = {
    "nano": dict(d=64, layers=4, heads=4, kv=2, mlp=176, lr=6e-3),
    "small": dict(d=256, layers=6, heads=8, kv=4, mlp=704, lr=3e-3),
}
VOCABULARY, CONTEXT, EPS, THETA = 4096, 256, 1e-5, 10_000.0
MIX = {"tinyworld": 0.25, "children": 0.20, "glosses": 0.08, "speeches": 0.07, "novels": 0.40}
WARMUP = 200
SECONDS_AFTER_TRAINING = 40


# ---------------------------------------------------------------------------------------------------- the model


class RMSNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        x32 = x.float()
        return self.weight * (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + EPS)).to(x.dtype)


def rotary(length, head, device):
    """cos and sin of position times frequency, [length, head]; the halves of a head hold the same angles."""
    frequency = THETA ** (-torch.arange(0, head, 2, device=device).float() / head)
    angle = torch.arange(length, device=device).float()[:, None] * frequency
    angle = torch.cat([angle, angle], -1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos.to(x.dtype) + torch.cat([-b, a], -1) * sin.to(x.dtype)


class Attention(nn.Module):
    def __init__(self, d, heads, kv):
        super().__init__()
        self.heads, self.kv, self.head = heads, kv, d // heads
        self.q_proj = nn.Linear(d, d, bias=False)
        self.k_proj = nn.Linear(d, kv * self.head, bias=False)
        self.v_proj = nn.Linear(d, kv * self.head, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        q = self.q_proj(x).view(b, t, self.heads, self.head).transpose(1, 2)
        k = self.k_proj(x).view(b, t, self.kv, self.head).transpose(1, 2)
        v = self.v_proj(x).view(b, t, self.kv, self.head).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = self.heads // self.kv
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, d))


class MLP(nn.Module):
    def __init__(self, d, mlp):
        super().__init__()
        self.gate_proj = nn.Linear(d, mlp, bias=False)
        self.up_proj = nn.Linear(d, mlp, bias=False)
        self.down_proj = nn.Linear(mlp, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, d, heads, kv, mlp):
        super().__init__()
        self.input_layernorm = RMSNorm(d)
        self.self_attn = Attention(d, heads, kv)
        self.post_attention_layernorm = RMSNorm(d)
        self.mlp = MLP(d, mlp)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, d, layers, heads, kv, mlp):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, d)
        self.layers = nn.ModuleList(Layer(d, heads, kv, mlp) for _ in range(layers))
        self.norm = RMSNorm(d)


class Llama(nn.Module):
    def __init__(self, d, layers, heads, kv, mlp):
        super().__init__()
        self.head = d // heads
        self.model = Decoder(d, layers, heads, kv, mlp)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                # What is added to the residual stream starts smaller the deeper the model (GPT-2).
                into_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if into_residual else 0.02)

    def forward(self, ids):
        """ids [batch, time] -> logits [batch, time, vocabulary]; the head is the embedding, transposed."""
        x = self.model.embed_tokens(ids)
        cos, sin = rotary(ids.shape[1], self.head, ids.device)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)


# ----------------------------------------------------------------------------------------------------- the data


def load(path):
    with lzma.open(path) as file:
        return torch.from_numpy(np.frombuffer(file.read(), "<u2").astype(np.int32))


class Windows:
    """Random windows of CONTEXT + 1 tokens, a fixed number per batch from each domain."""

    def __init__(self, data, batch, device, seed):
        counts = {name: round(share * batch) for name, share in MIX.items()}
        counts["novels"] += batch - sum(counts.values())
        parts = {name: load(data / f"train-{name}.bin.xz") for name in MIX}
        starts = np.cumsum([0] + [len(p) for p in parts.values()])
        self.tokens = torch.cat(list(parts.values())).to(device)
        rows = [(start, len(p), counts[name]) for (name, p), start in zip(parts.items(), starts)]
        self.base = torch.cat([torch.full((n,), int(start)) for start, _, n in rows]).to(device)
        self.room = torch.cat([torch.full((n,), size - CONTEXT - 1) for _, size, n in rows]).to(device)
        self.span = torch.arange(CONTEXT + 1, device=device)
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self):
        u = torch.rand(len(self.base), device=self.base.device, dtype=torch.float64, generator=self.generator)
        window = self.tokens[(self.base + (u * self.room).long())[:, None] + self.span].long()
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()


# ----------------------------------------------------------------------------------------------------- measures


def autocast(device):
    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def loss_of(logits, targets):
    return F.cross_entropy(logits.float().view(-1, VOCABULARY), targets.view(-1))


@torch.no_grad()
def validation(model, probes, device):
    """Nats per token and bits per character of each probe, in windows that do not overlap."""
    result = {}
    for name, (ids, chars) in probes.items():
        n = (len(ids) - 1) // CONTEXT
        x = ids[: n * CONTEXT].view(n, CONTEXT).long().to(device)
        y = ids[1 : n * CONTEXT + 1].view(n, CONTEXT).long().to(device)
        nats = np.mean([loss_of(model(x[i : i + 32]), y[i : i + 32]).item() for i in range(0, n - n % 32, 32)])
        result[name] = {
            "nats_per_token": float(nats),
            "bits_per_character": float(nats * len(ids) / math.log(2) / chars),
        }
    return result


@torch.no_grad()
def completed(model, items, device):
    """The share of prompts that greedy decoding completes exactly: every token of the completion is the argmax."""
    right = 0
    for start in range(0, len(items), 128):
        batch = items[start : start + 128]
        length = max(len(i["prompt_ids"]) + len(i["completion_ids"]) for i in batch)
        ids = torch.zeros(len(batch), length, dtype=torch.long)
        for row, i in enumerate(batch):
            both = i["prompt_ids"] + i["completion_ids"]
            ids[row, : len(both)] = torch.tensor(both)
        best = model(ids.to(device)).argmax(-1).cpu()
        for row, i in enumerate(batch):
            p, c = len(i["prompt_ids"]), i["completion_ids"]
            right += best[row, p - 1 : p - 1 + len(c)].tolist() == c
    return right / len(items)


# ----------------------------------------------------------------------------------------------------- training


def save(model, shape, data, out, metrics):
    weights = {name: p.detach().half().cpu().contiguous() for name, p in model.state_dict().items()}
    save_file(weights, str(out / "model.safetensors"), metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": shape["d"],
        "intermediate_size": shape["mlp"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv"],
        "head_dim": shape["d"] // shape["heads"],
        "max_position_embeddings": CONTEXT,
        "hidden_act": "silu",
        "rms_norm_eps": EPS,
        "rope_theta": THETA,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float16",
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(data / name, out / name)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", choices=CONFIGS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=float, default=1e9)
    parser.add_argument("--minutes", type=float, help="finish within so many minutes of the start")
    parser.add_argument("--batch", type=int, default=256, help="windows per step")
    parser.add_argument("--lr", type=float, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    shape = dict(CONFIGS[args.config])
    peak = args.lr or shape["lr"]
    del shape["lr"]
    model = Llama(**shape).to(device)
    parameters = sum(p.numel() for p in model.parameters())
    windows = Windows(args.data, args.batch, device, args.seed)
    meta = json.loads((args.data / "meta.json").read_text())
    probes = {name: (load(args.data / f"probe-{name}.bin.xz"), meta[f"probe-{name}"]["chars"]) for name in MIX if name != "speeches"}
    evaluation = json.loads((args.data / "evaluation.json").read_text())
    print(f"{args.config}: {parameters} parameters, {len(windows.tokens)} tokens on {device}", flush=True)

    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.95), fused=device == "cuda")

    def forward_loss(x, y):
        with autocast(device):
            return loss_of(model(x), y)

    compute = forward_loss
    if device == "cuda":
        try:
            compute = torch.compile(forward_loss)
            compute(*windows.draw()).backward()
        except Exception as error:  # the compiler needs a working C compiler and driver headers
            print(f"torch.compile failed, training eagerly: {type(error).__name__}: {error}", flush=True)
            compute = forward_loss
        optimizer.zero_grad(set_to_none=True)

    per_step = args.batch * CONTEXT
    steps = max(1, int(args.tokens) // per_step)
    warmup = min(WARMUP, max(1, steps // 10))
    step, log, timed = 0, [], not args.minutes
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        windows.generator.set_state(state["generator"].cpu())
        step, steps, log, timed = state["step"], state["steps"], state["log"], True
        print(f"goes on at step {step} of {steps}", flush=True)

    def measure():
        model.eval()
        with autocast(device):
            losses = validation(model, probes, device)
            shares = {name: completed(model, items, device) for name, items in evaluation.items()}
        model.train()
        return {"validation": losses, "completed": shares}

    first, began, saved = step, time.time(), time.time()
    while step < steps:
        # Warm-up, then straight down to zero.
        rate = peak * min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = compute(*windows.draw())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1

        if step % 50 == 0 or step == steps:
            value = loss.item()
            speed = (step - first) * per_step / (time.time() - began)
            log.append({"step": step, "tokens": step * per_step, "loss": round(value, 4), "lr": rate})
            if step % 500 == 0 or step <= 200:
                print(f"step {step}/{steps} loss {value:.3f} lr {rate:.2e} {speed:.3g} tokens/s", flush=True)
            if not math.isfinite(value):
                raise SystemExit(f"the loss is {value} at step {step}: try a smaller --lr")
            if step == 50 and first == 0:
                first, began = step, time.time()  # the first steps pay for start-up
            elif not timed and step == 150:
                left = args.minutes * 60 - (time.time() - START) - SECONDS_AFTER_TRAINING
                steps = min(steps, step + max(1, int(0.93 * left * speed / per_step)))
                timed = True
                print(f"{steps} steps ({steps * per_step / 1e6:.0f} M tokens) fit into {args.minutes} minutes", flush=True)
        if step % 1500 == 0:
            print(f"step {step}", json.dumps(measure()), flush=True)
        if time.time() - saved > 60 and step < steps:
            state = dict(model=model.state_dict(), optimizer=optimizer.state_dict(), step=step, steps=steps, log=log)
            torch.save({**state, "generator": windows.generator.get_state()}, args.out / "checkpoint.tmp")
            (args.out / "checkpoint.tmp").rename(checkpoint)
            saved = time.time()

    # What is measured is what is shipped: weights rounded to fp16.
    for p in model.parameters():
        p.data = p.data.half().float()
    metrics = {
        "config": args.config,
        "parameters": parameters,
        "tokens": steps * per_step,
        "steps": steps,
        "batch": args.batch,
        "peak_lr": peak,
        "seed": args.seed,
        "mix": MIX,
        "epochs": {n: round(steps * per_step * s / meta[f"train-{n}"]["tokens"], 1) for n, s in MIX.items()},
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "seconds": round(time.time() - START),
        "tokens_per_second": round((steps - first) * per_step / max(1e-9, time.time() - began)),
        **measure(),
        "log": log,
    }
    save(model, shape, args.data, args.out, metrics)
    checkpoint.unlink(missing_ok=True)
    print(json.dumps({k: v for k, v in metrics.items() if k != "log"}, indent=2))


main()
