"""TO BE WRITTEN: the reward of the run in Python. Training does not begin before that.

In the notebook it was:

{source}
"""


def reward(prompt: str, completion: str, example: dict) -> float:
    """How good a completion is; higher is better. `example` is the prompt's line of train.jsonl."""
    raise NotImplementedError("reward.py: write the run's reward function in Python; its source is at the top of the file.")
