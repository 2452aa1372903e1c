"""Direct preference optimization with TRL. The reference is the base: the model with its adapter off."""

from common import AsInTheRun, arguments, config, dataset, finish, held_out, in_order, load, read, trainer_arguments
from trl import DPOConfig, DPOTrainer

args = arguments()
model, tokenizer = load(args)


class Trainer(AsInTheRun, DPOTrainer):
    pass


trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=DPOConfig(**trainer_arguments(args)),
    train_dataset=dataset(in_order(read("train.jsonl"))),
    eval_dataset=dataset(held_out()),
)
if config["adapter"] is not None:
    # TRL refers to a copy of the adapter as it is at first; without the copy it switches the adapter off, as the run did.
    trainer.model.delete_adapter("ref")
trainer.train()
finish(trainer, args)
