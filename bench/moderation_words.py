"""Finds the words of the gallery's content moderation: which speak for a label, and how much.

    python -m bench.moderation_words [--data DIR]

Prints the `choices` of the rule as YAML, with hashes in place of the words. They are learned from the half of the set
that `bench.accuracy_data.moderation` does not hold out: logistic regression over words and pairs of words, of which the
ones that part the labels best are kept, their weights as whole points.
"""

import argparse
import math
import random
from collections import Counter, defaultdict
from pathlib import Path

from bench.accuracy_data import LABELS, moderation
from workflows.domain.extraction.choices import hash_words, list_words

KEPT = 150
ROUNDS, SEED = 12, 1
RARE = 4
SCALE, MOST_POINTS = 4, 20

Example = tuple[list[str], int]


def examples(folder: Path) -> list[Example]:
    """Return the words and the label's place of each post that is not held out."""
    items = [item for item in moderation(folder) if not item.held_out]
    found = [set(list_words(item.payload["text"])) for item in items]
    counts = Counter(word for words in found for word in words)
    known = {word for word, count in counts.items() if count >= RARE and "rt" not in word.split()}
    return [
        (sorted(words & known), LABELS.index(item.expected["label"])) for words, item in zip(found, items, strict=True)
    ]


def learn(rows: list[Example]) -> tuple[list[float], list[dict[str, float]]]:
    """Return a bias and the weight of each word for every label, by stochastic gradient descent."""
    counts = Counter(label for _, label in rows)
    balance = [(len(rows) / (len(LABELS) * counts[label])) ** 0.6 for label in range(len(LABELS))]
    bias, weights = [0.0] * len(LABELS), [defaultdict[str, float](float) for _ in LABELS]
    draw, rate = random.Random(SEED), 0.15
    for _ in range(ROUNDS):
        draw.shuffle(rows)
        for words, label in rows:
            scores = [bias[place] + sum(weights[place][word] for word in words) for place in range(len(LABELS))]
            raised = [math.exp(score - max(scores)) for score in scores]
            for place, value in enumerate(raised):
                step = (value / sum(raised) - (place == label)) * balance[label] * rate
                bias[place] -= step * 0.3
                for word in words:
                    weights[place][word] -= step + rate * 1e-3 * weights[place][word]
        rate *= 0.8
    return bias, [dict(each) for each in weights]


def to_points(rows: list[Example], weights: list[dict[str, float]]) -> list[dict[int, list[str]]]:
    """Return, for each label, the hashes of the kept words by their points."""
    counts = Counter(word for words, _ in rows for word in words)

    def parting(word: str) -> float:
        values = [each.get(word, 0.0) for each in weights]
        return (max(values) - min(values)) * min(1.0, counts[word] / 6)

    points: list[dict[int, list[str]]] = [{} for _ in LABELS]
    for word in sorted(counts, key=lambda word: (-parting(word), word))[:KEPT]:
        middle = sum(each.get(word, 0.0) for each in weights) / len(LABELS)
        for place, each in enumerate(weights):
            value = max(-MOST_POINTS, min(MOST_POINTS, round((each.get(word, 0.0) - middle) * SCALE)))
            if value:
                points[place].setdefault(value, []).append(hash_words(word))
    return points


def main() -> None:
    """Print the choices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    rows = examples(parser.parse_args().data)
    bias, weights = learn(rows)
    for label, base, points in zip(LABELS, bias, to_points(rows, weights), strict=True):
        print(f"- {{value: {label}, base: {round(base * SCALE)}}}")
        for value, hashes in sorted(points.items(), reverse=True):
            listed = ", ".join(f'"{each}"' for each in sorted(hashes))
            print(f"- {{value: {label}, points: {value}, hashes: [{listed}]}}")


if __name__ == "__main__":
    main()
