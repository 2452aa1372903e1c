"""What every objective needs: the settings, the model with its adapter, the data in order, the schedule, the results.

config.json has the settings. What it lists under "trainer" are arguments of TRL's configuration under TRL's own names.
"""

import argparse
import json
import math
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel, get_peft_config, get_peft_model
from torch.optim.lr_scheduler import LambdaLR
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

HERE = Path(__file__).parent
config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
PROCESSES, LOCAL_RANK = (int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
IS_FSDP = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def arguments():
    parser = argparse.ArgumentParser(description="Trains what config.json says; see README.md.")
    parser.add_argument("--model", help="another base: a name of the hub or a folder; it gets a new adapter")
    parser.add_argument("--output", default=str(HERE / "output"), help="folder of the results")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 in place of float32")
    parser.add_argument(
        "--qlora", action=argparse.BooleanOptionalAction, default=bool(config["quantization"]), help="base in 4 bits"
    )
    parser.add_argument("--per-device", type=int, help="rows of a process at once; the step stays the same")
    parser.add_argument("--attention", help="attn_implementation of transformers, such as flash_attention_2")
    return parser.parse_args()


def model_name(args):
    """The base of the run lies beside this file, or has a name of the hub."""
    return args.model or (str(HERE / config["model"]) if (HERE / config["model"]).is_dir() else config["model"])


def load(args):
    """The base with the adapter that the run began with, and the tokenizer."""
    name = model_name(args)
    half = args.bf16 or args.qlora
    # A full fine-tuning keeps its weights in float32, or small steps would be rounded away.
    is_full = config["adapter"] is None and not args.model
    settings = {"dtype": torch.bfloat16 if half and not is_full else torch.float32}
    if args.attention:
        settings["attn_implementation"] = args.attention
    if args.qlora:
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_quant_storage=torch.bfloat16,  # FSDP shards what is stored in the type of the rest
            **(config["quantization"] or {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}),
        )
        if not IS_FSDP:
            settings["device_map"] = {"": LOCAL_RANK}
    model = AutoModelForCausalLM.from_pretrained(name, **settings)
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    if config["adapter"] is None:
        return model, tokenizer
    if args.model:
        return get_peft_model(model, get_peft_config(config["peft"])), tokenizer
    return PeftModel.from_pretrained(model, HERE / config["adapter"], is_trainable=True), tokenizer


def read(file):
    with open(HERE / file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def in_order(examples):
    """Examples as the run saw them: order.jsonl has a line for each step. A packed row is a list of examples."""
    rows = [row for step in read("order.jsonl") for row in step]
    pick = lambda row: [examples[i] for i in row] if isinstance(row, list) else examples[row]  # noqa: E731
    return [pick(row) for row in rows]


def held_out():
    return read("held-out.jsonl") if (HERE / "held-out.jsonl").exists() else None


def trainer_arguments(args):
    """The run's, its rows of a step spread over the processes. Without shuffling, all of them together see the same rows."""
    rows = config["rows_per_step"]
    per_device = args.per_device or max(1, config["rows_at_once"] // PROCESSES)
    accumulate, rest = divmod(rows, per_device * PROCESSES)
    if rest:
        raise SystemExit(
            f"A step has {rows} rows, which {PROCESSES} processes with {per_device} each cannot share evenly: "
            "choose another number of processes or --per-device."
        )
    half = args.bf16 or args.qlora
    return {
        **config["trainer"],
        "output_dir": args.output,
        "per_device_train_batch_size": per_device,
        "per_device_eval_batch_size": per_device,
        "gradient_accumulation_steps": accumulate,
        "bf16": half,
        "use_cpu": not torch.accelerator.is_available(),
    }


def factor(step):
    """The learning rate's at a step (from 0): the warm-up reaches the peak with its last step, not one step later."""
    warmup, steps = config["warmup"], config["trainer"]["max_steps"]
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if config["schedule"] == "linear":
        return max(0.0, 1 - progress)
    return 0.5 * (1 + math.cos(math.pi * progress)) if config["schedule"] == "cosine" else 1.0


class AsInTheRun:
    """Beside a trainer of TRL: the run's schedule and optimizer, where the trainer's own would differ."""

    def create_scheduler(self, num_training_steps, optimizer=None):
        self.lr_scheduler = self.lr_scheduler or LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def get_decay_parameter_names(self, model):
        """Matrices decay; norms and biases, and the vectors of DoRA and VeRA, do not."""
        vectors = ("lora_magnitude_vector", "vera_lambda")
        return [name for name in super().get_decay_parameter_names(model) if not any(v in name for v in vectors)]

    def create_optimizer(self, model=None):
        args, ratio = self.args, config["loraplus_ratio"]
        if config["optimizer"] == "adamw" and ratio is None:
            return super().create_optimizer(model)
        named = [(n, p) for n, p in (model or self.model).named_parameters() if p.requires_grad]
        # LoRA+: B learns faster than A.
        rate = lambda name: args.learning_rate * (ratio if ratio and "lora_B." in name else 1)  # noqa: E731
        decay = lambda p: args.weight_decay if p.ndim > 1 else 0.0  # noqa: E731
        groups = [{"params": [p], "lr": rate(n), "weight_decay": decay(p)} for n, p in named]
        if config["optimizer"] == "sgd":
            self.optimizer = torch.optim.SGD(groups, momentum=args.adam_beta1)
        else:
            self.optimizer = torch.optim.AdamW(groups, betas=(args.adam_beta1, args.adam_beta2), eps=args.adam_epsilon)
        return self.optimizer


def report(trainer, metrics):
    """What an evaluation must tell: the log, and the Trainer that it has been."""
    trainer.log(metrics)
    trainer.model.train()
    trainer.control = trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, metrics)
    return metrics


def finish(trainer, args):
    """Writes what importRun reads: the adapter (or the model), the log, and where it was trained."""
    state = trainer.accelerator.state
    if trainer.is_fsdp_enabled:
        state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    output = Path(args.output)
    trainer.save_model(output / ("model" if config["adapter"] is None else "adapter"))
    trainer.save_state()
    if trainer.is_world_process_zero():
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        about = {
            "model": args.model,
            "device": device,
            "processes": state.num_processes,
            "precision": "bfloat16" if trainer.args.bf16 else "float32",
            "quantized": args.qlora,
            "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl", "accelerate")},
        }
        shutil.copy(HERE / "config.json", output)
        (output / "about.json").write_text(json.dumps(about, indent=2), encoding="utf-8")


def dataset(rows):
    return Dataset.from_list(rows) if rows else None
