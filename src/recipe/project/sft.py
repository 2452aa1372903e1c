"""Supervised fine-tuning with TRL: the cross-entropy of the next token, of the tokens that the run learned from."""

import torch
from common import AsInTheRun, arguments, config, dataset, finish, held_out, in_order, load, read, report, trainer_arguments
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import get_training_chat_template
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

args = arguments()
model, tokenizer = load(args)


def tokenize(example):
    """Tokens, and as labels those that are learned; -100 stands where none is."""
    example = {"text": example} if isinstance(example, str) else example
    if "ids" in example:
        if args.model:
            raise SystemExit("The data are tokens, which mean something to the run's own model alone: leave out --model.")
        ids = learned = example["ids"]
    elif "messages" in example:
        out = tokenizer.apply_chat_template(
            example["messages"],
            chat_template=get_training_chat_template(tokenizer) or tokenizer.chat_template,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        ids = out["input_ids"]
        learned = [i if said else -100 for i, said in zip(ids, out["assistant_masks"], strict=True)]
    else:
        prompt, completion = example.get("prompt", ""), example.get("completion", example.get("text"))
        before = tokenizer(prompt)["input_ids"] if prompt else []
        after = tokenizer(completion, add_special_tokens=not prompt)["input_ids"] + [tokenizer.eos_token_id]
        ids, learned = before + after, [-100] * len(before) + after
    labels = learned if config["completion_only"] else ids
    # Nothing stands before the first token that it could be predicted from.
    return {"input_ids": ids, "labels": [-100, *labels[1:]]}


def row(example):
    """Of a packed row the sequences stay apart: they share a batch, not their attention."""
    if not isinstance(example, list):
        return tokenize(example)
    parts = [tokenize(part) for part in example]
    return {key: [part[key] for part in parts] for key in ("input_ids", "labels")}


class Collator(DataCollatorForLanguageModeling):
    def torch_call(self, rows):
        def parts(row):
            packed = isinstance(row["input_ids"][0], list)
            return zip(row["input_ids"], row["labels"]) if packed else [(row["input_ids"], row["labels"])]

        return super().torch_call([{"input_ids": i, "labels": l} for r in rows for i, l in parts(r)])


class Trainer(AsInTheRun, SFTTrainer):
    def evaluate(self, *_, **__):
        """The mean over all held-out tokens; the Trainer's own is a mean over batches."""
        self.model.eval()
        nats, count = [], []
        for batch in self.get_eval_dataloader():
            labels = batch.pop("labels")[:, 1:]
            with torch.no_grad(), self.compute_loss_context_manager():
                logits = self.model_wrapped(**batch, use_cache=False).logits[:, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
            sums = self.accelerator.gather_for_metrics((losses.sum(1), (labels != -100).sum(1)))
            nats.append(sums[0])
            count.append(sums[1])
        return report(self, {"eval_loss": (torch.cat(nats).sum() / torch.cat(count).sum()).item()})


is_flat = bool(args.attention and "flash" in args.attention)
trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=SFTConfig(**trainer_arguments(args)),
    train_dataset=dataset([row(example) for example in in_order(read("train.jsonl"))]),
    eval_dataset=dataset([row(example) for example in held_out() or []]),
    # FlashAttention takes all sequences of a batch end to end, without padding.
    data_collator=Collator(pad_token_id=tokenizer.pad_token_id, padding_free=is_flat),
)
trainer.train()
finish(trainer, args)
