"""Base models as transformers writes them: shards of 16 bits, a tokenizer, settings of generation.

Usage: python merged_model_reference.py OUT

A folder OUT/<family> for each: Llama 3.2's stretched rotary frequencies and tied head, Qwen2.5's biases, a Mistral with a
head of its own.
"""

import sys
from pathlib import Path

import torch
from model_reference import CORPUS, LLAMA3, SMALL, randomise, rope
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedTokenizerFast, Qwen2Config
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

SIZES = dict(hidden_size=128, num_attention_heads=4, num_key_value_heads=2, intermediate_size=160, **SMALL)
FAMILIES = {
    "llama-3.2": LlamaConfig(
        max_position_embeddings=131072, rope_parameters=LLAMA3, tie_word_embeddings=True, **SIZES
    ),
    "qwen2.5": Qwen2Config(rope_parameters=rope(1e6), tie_word_embeddings=True, **SIZES),
    "mistral": MistralConfig(sliding_window=None, tie_word_embeddings=False, **SIZES),
}


def tokenizer(family):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if family == "qwen2.5":
        # As Qwen's own file splits texts: transformers does so for this family whatever the file says.
        split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated")
        bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        bpe.normalizer = normalizers.NFC()
        bpe.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>", "<|turn|>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(CORPUS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|turn|>' }}{% endfor %}"
    return fast


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for name, config in FAMILIES.items():
        torch.manual_seed(0)
        model = randomise(AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16))
        # Two tokens that end a text, others than config.json has.
        model.generation_config.eos_token_id = [0, 1]
        model.save_pretrained(out / name, max_shard_size="200KB")
        tokenizer(name).save_pretrained(out / name)
