"""Conversations as transformers writes and tokenizes them.

Usage: python chat_reference.py OUT

For each template a tokenizer folder OUT/NAME, and OUT/chat.json: the conversations and, for each with each template, the
text, the text with the generation prompt, the token ids and the mask of the assistant's tokens.
"""

import json
import sys
from pathlib import Path

from transformers import PreTrainedTokenizerFast

out = Path(sys.argv[1])
models = Path(__file__).resolve().parents[2] / "models"
shipped = json.loads((models / "small" / "tokenizer_config.json").read_text())["chat_template"]

TEMPLATES = {
    "shipped": shipped,
    # The white space around the tags is part of the test: blocks at the beginning and the end of lines.
    "chatml": """{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
    {{- message.content + '<|im_end|>' }}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}""",
    "chatml-marked": """{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
    {%- generation %}
    {{- message.content + '<|im_end|>' }}
    {%- endgeneration %}
{%- else %}
    {{- message.content + '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}""",
    "headers": """{{ bos_token }}{% for message in messages %}
<|{{ message['role'] | upper }}|>
{% if message['role'] == 'assistant' %}
{% generation %}{{ message['content'] | trim }}{{ eos_token }}{% endgeneration %}

{% else %}
{{ message['content'] | trim }}

{% endif %}
{% endfor %}
{% if add_generation_prompt %}<|ASSISTANT|>
{% endif %}""",
    "strict": """{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant') }}
{% endif %}
{% set name = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start>' + name + '\\n' + message['content'] | trim + '<end>\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<start>model\\n' }}{% endif %}""",
}

CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of the Netherlands?"}, {"role": "assistant", "content": "Amsterdam."}],
    [
        {"role": "system", "content": "Answer in one word.  "},
        {"role": "user", "content": "  one and one?\n"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "and one more?"},
        {"role": "assistant", "content": " three\n\nor so "},
    ],
    [
        {"role": "user", "content": "Tëst {{ this }} <b>&amp;</b> 🙂"},
        {"role": "assistant", "content": "naïve"},
        {"role": "user", "content": ""},
    ],
    [{"role": "user", "content": "hello"}],
]

cases = []
for name, template in TEMPLATES.items():
    extra = ["<|im_start|>", "<|im_end|>"] if name.startswith("chatml") else []
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(models / "small" / "tokenizer.json"),
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>" if extra else "<|endoftext|>",
        additional_special_tokens=extra,
        chat_template=template,
    )
    tokenizer.save_pretrained(out / name)
    for i, conversation in enumerate(CONVERSATIONS):
        case = {"template": name, "conversation": i}
        cases.append(case)
        try:
            case["text"] = tokenizer.apply_chat_template(conversation, tokenize=False)
        except Exception:
            continue
        case["prompt"] = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        case["ids"] = tokenizer.apply_chat_template(conversation, return_dict=True)["input_ids"]
        if "{% generation %}" in template or "{%- generation %}" in template:
            masks = tokenizer.apply_chat_template(conversation, return_dict=True, return_assistant_tokens_mask=True)
            case["assistant"] = list(masks["assistant_masks"])

(out / "chat.json").write_text(json.dumps({"conversations": CONVERSATIONS, "cases": cases}))
