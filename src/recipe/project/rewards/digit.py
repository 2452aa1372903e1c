"""The reward of the run: loralab's rewardDigit."""


def reward(prompt: str, completion: str, example: dict) -> float:
    """1 for the right digit and nothing else, with or without a full stop; 0 for every other answer."""
    return 1.0 if completion.strip().removesuffix(".") == str(example["answer"]) else 0.0
