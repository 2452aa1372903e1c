"""Writes randomly initialised checkpoints with transformers, and what transformers computes on them.

Usage: python model_reference.py OUT [FOLDER ...]

For each hub family a folder OUT/<family> with config.json, model.safetensors and reference.safetensors, which holds
`ids` [batch, seq] and `logits` [batch, seq, vocab]; head counts, head sizes, rotary settings, epsilons and biases are
the family's, layers, vocabulary and MLP are cut down so that this runs in seconds. For each FOLDER given (a real
model's), OUT/<its name>.safetensors with the same. Last, tokenizers with texts and their ids in OUT/tokenizers.json.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SMALL = dict(num_hidden_layers=2, vocab_size=512)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=5e5,
    factor=32.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=8192,
)


def rope(theta):
    return dict(rope_type="default", rope_theta=theta)


FAMILIES = {
    # SmolLM2-135M: 9 heads on 3, head size 64
    "smollm2": LlamaConfig(
        hidden_size=576, num_attention_heads=9, num_key_value_heads=3, intermediate_size=640, rms_norm_eps=1e-5,
        max_position_embeddings=8192, rope_parameters=rope(1e5), tie_word_embeddings=True, **SMALL,
    ),
    # Qwen2.5-0.5B: biases on q, k and v, 14 heads on 2
    "qwen2.5": Qwen2Config(
        hidden_size=896, num_attention_heads=14, num_key_value_heads=2, intermediate_size=512, rms_norm_eps=1e-6,
        max_position_embeddings=32768, rope_parameters=rope(1e6), tie_word_embeddings=True,
        eos_token_id=[3, 7], **SMALL,
    ),
    # Llama-3.2-1B: 32 heads on 8, stretched rotary frequencies
    "llama3.2": LlamaConfig(
        hidden_size=2048, num_attention_heads=32, num_key_value_heads=8, intermediate_size=512, rms_norm_eps=1e-5,
        max_position_embeddings=131072, rope_parameters=LLAMA3, tie_word_embeddings=True, **SMALL,
    ),
    # A head of its own, and every bias there can be
    "llama-biased": LlamaConfig(
        hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, attention_bias=True,
        mlp_bias=True, tie_word_embeddings=False, rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0),
        **SMALL,
    ),
    "mistral": MistralConfig(
        hidden_size=128, num_attention_heads=4, num_key_value_heads=2, head_dim=32, intermediate_size=96,
        sliding_window=None, tie_word_embeddings=False, **SMALL,
    ),
    # Queries and keys normalised, heads wider than hidden_size / heads
    "qwen3": Qwen3Config(
        hidden_size=128, num_attention_heads=4, num_key_value_heads=2, head_dim=64, intermediate_size=96,
        rope_parameters=rope(1e6), tie_word_embeddings=True, **SMALL,
    ),
}


@torch.no_grad()
def reference(model, path, extra=()):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size, (2, 48), generator=generator)
    save_file({"ids": ids, "logits": model(ids).logits.contiguous(), **dict(extra)}, path)


def randomise(model):
    """Matrices that keep the size of what they are given, so that attention and MLP weigh as much as in a trained
    model, and random biases and norms: transformers starts them at 0 and 1, which would hide a missing one."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
        elif "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            torch.nn.init.normal_(parameter, std=1.5 * parameter.shape[1] ** -0.5)
    return model.eval()


def write_models(out):
    for name, config in FAMILIES.items():
        torch.manual_seed(0)
        model = randomise(AutoModelForCausalLM.from_config(config, dtype=torch.float32))
        model.save_pretrained(out / name)
        greedy = model.generate(
            torch.arange(5, 12)[None], max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        reference(model, out / name / "reference.safetensors", [("greedy", greedy)])
        if name == "smollm2":
            model.save_pretrained(out / "sharded", max_shard_size="2MB")
            for dtype in (torch.float16, torch.bfloat16):
                folder = out / str(dtype).removeprefix("torch.")
                model.to(dtype).save_pretrained(folder)
                # The reference computes in float32 on the rounded weights, as the reader does.
                reference(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), folder / "reference.safetensors")


CORPUS = ["The cat sat on the mat, didn't it?", "In 1923, 42 ships left Rotterdam.", "naïve café — “quoted” 日本語 🙂👩‍👩‍👧"] * 20
TEXTS = [
    "The cat sat on the mat.",
    "  leading, trailing  and   inner spaces  ",
    "tabs\tand\nnewlines\r\n\n\nend",
    "isn't we're I'LL 12345 3.14159 $%^&*()",
    "naïve café — “quoted” 日本語 🙂👩‍👩‍👧 e\u0301",
    "before<|endoftext|>after",
    "🏳️‍🌈 \u00a0\u2003 مرحبا",
]
GPT4_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(pre_tokenizer, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentencepiece_like(size):
    """As the file of Llama 2 and the first Mistrals: spaces are ▁, what is in no token goes by its bytes."""
    bpe = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    ascii_only = [text.encode("ascii", "ignore").decode() for text in CORPUS]
    bpe.train_from_iterator(ascii_only, trainers.BpeTrainer(vocab_size=size - 259, show_progress=False))
    file = json.loads(bpe.to_str())
    special = ["<unk>", "<s>", "</s>"]
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *file["model"]["vocab"]]
    file["model"]["vocab"] = {token: id for id, token in enumerate(tokens)}
    bpe = Tokenizer.from_str(json.dumps(file))
    bpe.add_special_tokens(special)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return bpe


def write_tokenizers(out, folders):
    split = lambda pattern: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(__import__("tokenizers").Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trained = {
        "gpt2": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "smollm2": byte_level(
            pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            )
        ),
        "llama3": byte_level(split(GPT4_SPLIT), ignore_merges=True),
        "qwen2": byte_level(split(GPT4_SPLIT.replace("{1,3}", ""))),
    }
    trained["qwen2"].normalizer = normalizers.NFC()
    cases = []
    for name, tokenizer in trained.items():
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(CORPUS, trainer)
        if name == "llama3":
            tokenizer.post_processor = processors.TemplateProcessing(
                single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
            )
        cases.append((name, tokenizer))
    cases.append(("llama2", sentencepiece_like(400)))
    for folder in folders:
        if (folder / "tokenizer.json").exists():
            cases.append((folder.name, Tokenizer.from_file(str(folder / "tokenizer.json"))))
    written = []
    for name, tokenizer in cases:
        rows = []
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            rows.append(
                {
                    "text": text,
                    "ids": ids,
                    "plain": tokenizer.encode(text, add_special_tokens=False).ids,
                    "decoded": tokenizer.decode(ids, skip_special_tokens=True),
                    "verbatim": tokenizer.decode(ids, skip_special_tokens=False),
                }
            )
        written.append({"name": name, "tokenizer": tokenizer.to_str(), "vocabSize": tokenizer.get_vocab_size(), "texts": rows})
    (out / "tokenizers.json").write_text(json.dumps(written))


if __name__ == "__main__":
    out = Path(sys.argv[1])
    folders = [Path(folder) for folder in sys.argv[2:]]
    out.mkdir(parents=True, exist_ok=True)
    write_models(out)
    for folder in folders:
        reference(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), out / f"{folder.name}.safetensors")
    write_tokenizers(out, folders)
