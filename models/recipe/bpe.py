"""Step 2 of the recipe: a byte-level BPE of 4,096 entries, and every text as token ids.

    python models/recipe/bpe.py TEXT OUT

TEXT is what prepare.ts wrote. OUT gets tokenizer.json and tokenizer_config.json, train-*.bin.xz and
probe-*.bin.xz (little-endian uint16, each document followed by end-of-text), evaluation.json with token ids, and
meta.json with the sizes. Digits are split one by one, so that arithmetic can be learnt from them.
"""

import json
import lzma
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT = "<|endoftext|>"
VOCABULARY = 4096
CONTEXT = 256

# "User: …\nAssistant: …<|endoftext|>User: …": plain words, since the base models have seen no chat and have no tokens for
# its roles. What the assistant says, its end included, is marked as its own.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize + ':' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ ' ' + message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def documents(path):
    return path.read_text().split(END_OF_TEXT)[:-1]


def train(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def check_names(tokenizer, names):
    """A name must be the same tokens wherever it follows a space, or a question would not recall a statement."""
    for name in names:
        ids = tokenizer.encode(" " + name).ids
        for before, after in [("The capital of", " is"), ("What is the capital of", "?"), ("In", ", people"), ("It is", ".")]:
            whole = tokenizer.encode(before + " " + name + after).ids
            if not any(whole[i : i + len(ids)] == ids for i in range(len(whole))):
                raise ValueError(f"{name!r} is not tokenised as {ids} in {before + ' ' + name + after!r}")


def main():
    text, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(text.glob("train-*.txt")) + sorted(text.glob("probe-*.txt"))
    tokenizer = train(d for path in files if path.name.startswith("train-") for d in documents(path))
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")

    evaluation = json.loads((text / "evaluation.json").read_text())
    check_names(tokenizer, evaluation.pop("names"))
    for items in evaluation.values():
        for item in items:
            item["prompt_ids"] = tokenizer.encode(item["prompt"]).ids
            item["completion_ids"] = tokenizer.encode(item["completion"]).ids
    (out / "evaluation.json").write_text(json.dumps(evaluation))

    meta = {}
    for path in files:
        pieces, chars = [], 0
        docs = documents(path)
        for start in range(0, len(docs), 10_000):
            batch = docs[start : start + 10_000]
            chars += sum(map(len, batch)) + len(batch)
            for encoding in tokenizer.encode_batch_fast(batch):
                pieces.append(np.array(encoding.ids + [0], dtype="<u2"))
        ids = np.concatenate(pieces)
        with lzma.open(out / f"{path.stem}.bin.xz", "wb", preset=6) as file:
            file.write(ids.tobytes())
        meta[path.stem] = {"documents": len(docs), "chars": chars, "tokens": len(ids)}
        print(f"{path.stem}: {len(ids)} tokens, {chars / len(ids):.2f} characters per token", flush=True)
    (out / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")


main()
