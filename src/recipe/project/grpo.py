"""Group relative policy optimization with TRL. The reference is the base; the reward is in reward.py."""

import json

import torch
from common import AsInTheRun, arguments, config, dataset, finish, held_out, in_order, load, read, report, trainer_arguments
from reward import reward
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import unwrap_model_for_generation

args = arguments()
model, tokenizer = load(args)


def text(words):
    """Of a prompt or a completion: a text as it is, of a conversation as the model reads it, of an answer what is said."""
    if isinstance(words, str):
        return words
    if len(words) == 1 and words[0]["role"] == "assistant":
        return words[0]["content"]
    return tokenizer.apply_chat_template(words, tokenize=False, add_generation_prompt=True)


def rewards(prompts, completions, example, **_):
    return [
        float(reward(text(prompt), text(completion), json.loads(one)))
        for prompt, completion, one in zip(prompts, completions, example, strict=True)
    ]


def rows(examples):
    """What else is known of a prompt goes to the reward as JSON, so that rows may differ in it."""
    return dataset([{"prompt": example["prompt"], "example": json.dumps(example)} for example in examples or []])


class Trainer(AsInTheRun, GRPOTrainer):
    def evaluate(self, *_, **__):
        """The mean reward of greedy answers to the held-out prompts."""
        given, at_once = [], self.args.per_device_eval_batch_size
        prompts, examples = list(self.eval_dataset["prompt"]), list(self.eval_dataset["example"])
        with torch.no_grad(), unwrap_model_for_generation(self.model_wrapped, self.accelerator) as generator:
            generator.eval()
            for at in range(0, len(prompts), at_once):
                some = [text(prompt) for prompt in prompts[at : at + at_once]]
                special = isinstance(prompts[at], str)
                inputs = tokenizer(some, return_tensors="pt", padding=True, add_special_tokens=special, padding_side="left")
                inputs = inputs.to(self.accelerator.device)
                longest = self.args.max_completion_length
                out = generator.generate(**inputs, do_sample=False, max_new_tokens=longest)
                answers = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
                given += rewards(prompts[at : at + at_once], answers, examples[at : at + at_once])
        return report(self, {"eval_reward": sum(given) / len(given)})


trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=GRPOConfig(**trainer_arguments(args)),
    reward_funcs=rewards,
    train_dataset=rows(in_order(read("train.jsonl"))),
    eval_dataset=rows(held_out()),
)
if "ref" in getattr(trainer.model, "peft_config", {}):
    # TRL refers to a copy of the adapter as it is at first; without the copy it switches the adapter off, as the run did.
    trainer.model.delete_adapter("ref")
trainer.train()
finish(trainer, args)
