"""A base as transformers writes it, with a tokenizer of a kind that llama.cpp's script takes whatever its tokens are; and
what is in a GGUF file.

Usage: python gguf_reference.py OUT
       python gguf_reference.py OUT LLAMA.CPP FILE.gguf

The first writes a folder OUT/base: grouped heads, Llama 3.2's stretched rotary frequencies, a head of its own. The second
writes OUT/tensors.safetensors, by llama.cpp's own reader, with the tensors under the names of transformers, rows of queries
and keys in its order; and OUT/tokens.json, the vocabulary.
"""

import json
import sys
from pathlib import Path


def write_base(out):
    import torch
    from model_reference import LLAMA3, randomise, sentencepiece_like
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

    torch.manual_seed(0)
    tokens = sentencepiece_like(400)
    config = LlamaConfig(
        hidden_size=128, num_attention_heads=4, num_key_value_heads=2, intermediate_size=160, num_hidden_layers=2,
        vocab_size=tokens.get_vocab_size(), max_position_embeddings=131072, rope_parameters=LLAMA3, tie_word_embeddings=False,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    randomise(AutoModelForCausalLM.from_config(config, dtype=torch.float16)).save_pretrained(out / "base")
    tokenizer.save_pretrained(out / "base")


def read(out, llama_cpp, file):
    sys.path.insert(1, str(Path(llama_cpp) / "gguf-py"))
    import numpy as np
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    names = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }
    whole = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    reader = GGUFReader(file)
    heads = {
        "attn_q": reader.fields["llama.attention.head_count"].contents(),
        "attn_k": reader.fields["llama.attention.head_count_kv"].contents(),
    }
    tensors = {}
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":  # a table made of the configuration
            continue
        parts = tensor.name.split(".")
        data = np.array(tensor.data)
        if parts[0] == "blk":
            _, layer, kind, _ = parts
            if kind in heads:  # the two halves of a head lie interleaved there
                rows, columns = data.shape
                pairs = data.reshape(heads[kind], rows // heads[kind] // 2, 2, columns)
                data = pairs.swapaxes(1, 2).reshape(rows, columns)
            name = f"model.layers.{layer}.{names[kind]}"
        else:
            name = whole[parts[0]]
        tensors[f"{name}.weight"] = np.ascontiguousarray(data)
    save_file(tensors, out / "tensors.safetensors")
    (out / "tokens.json").write_text(json.dumps(reader.fields["tokenizer.ggml.tokens"].contents()))


if __name__ == "__main__":
    out, *rest = sys.argv[1:]
    if rest:
        read(Path(out), *rest)
    else:
        write_base(Path(out))
