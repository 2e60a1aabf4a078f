"""Writes the text of a data set: invented, neutral, and the same on every machine.

    python -m ops.bench.generating 10000 FOLDER

makes `town-001.txt` and so on, seed files of a thousand questions each, with a manifest beside each, and `words.json`:
words that stand in certain shares of the questions, and searches that readers might make. Words are as unevenly used as
in real text (Zipf), so that searches find few questions, many, or nearly all.
"""

import json
import random
import sys
from collections import Counter
from itertools import accumulate
from pathlib import Path

SEED = 7
EACH = 1000
"""Questions of one collection."""
VOCABULARY = 20_000
TOPICS = 12
TAGS = 40
SEARCHES = 60
SHARES = {"rare": 0.0001, "one percent": 0.01, "ten percent": 0.1, "every": 1.0}

# The most frequent words. Those after them are made of syllables.
_COMMON = """
library card book desk bicycle visitor form street garden fee ticket notice school bus office letter lamp permit stand
morning bridge bench path market square fountain clock door window stair hall shelf map photo paper folder stamp
envelope parcel counter queue number colour signature copy printer page cover reader branch return loan reminder
renewal week month season summer winter spring autumn weekend evening noon hour minute opening closing holiday
playground sandpit swing slide tree hedge lawn flower bed seed compost shovel bucket hose tap pond boat ferry harbour
pier lane crossing signal pavement kerb gutter drain manhole lantern pole banner flag kiosk stall basket crate bottle
glass recycling bin bag collection round calendar sticker badge locker key shower towel pool coach course choir
orchestra concert stage curtain seat row programme museum gallery exhibit guide tour brochure workshop tool drill
ladder paint brush nail wood carpet chair table kitchen oven plate spoon recipe bread apple pear
"""
COMMON = _COMMON.split()
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstv" for vowel in "aeio"]


def vocabulary(chance):
    words = list(COMMON)
    known = set(words)
    while len(words) < VOCABULARY:
        word = "".join(chance.choices(SYLLABLES, k=chance.randint(2, 4)))
        if word not in known:
            known.add(word)
            words.append(word)
    return words


class Writer:
    """Sentences of words that are as frequent as 1, 1/2, 1/3, …"""

    def __init__(self, chance):
        self.chance = chance
        self.words = vocabulary(chance)
        self.weights = list(accumulate(1 / (place + 3) for place in range(len(self.words))))

    def some(self, count):
        return self.chance.choices(self.words, cum_weights=self.weights, k=count)

    def sentence(self, least, most):
        return f"The {' '.join(self.some(self.chance.randint(least, most)))}."


def question(number, writer):
    """One question with 4 to 8 points, as lines of the seed file."""
    chance = writer.chance
    yield f"{number}. How is the {' of the '.join(writer.some(chance.randint(2, 4)))} kept for number {number}?"
    yield f"{writer.sentence(10, 24)} {writer.sentence(6, 14)}"
    for place in range(1, chance.randint(2, 6) + 1):
        label = f"{' '.join(writer.some(2)).capitalize()}: " if chance.random() < 0.5 else ""
        yield f"{place}. {label}{writer.sentence(10, 24)}"
    yield writer.sentence(10, 24)


def place(index):
    """Where the question with this index (from 0) in the whole set stands: its collection's slug, and its number."""
    return f"town-{index // EACH + 1:03}", index % EACH + 1


def write(count, folder):
    """Write `count` questions; returns nothing. What was in the folder of another set is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(SEED)
    writer = Writer(chance)
    seen = Counter()
    for first in range(0, count, EACH):
        slug, size = place(first)[0], min(EACH, count - first)
        with (folder / f"{slug}.txt").open("w") as file:
            for number in range(1, size + 1):
                text = "\n".join(question(number, writer))
                seen.update(set(text.replace(".", " ").replace(":", " ").replace("?", " ").lower().split()))
                file.write(text + "\n")
        _write_manifest(slug, size, chance, folder / f"{slug}.toml")
    known = [(word, number) for word, number in seen.items() if word.isalpha() and len(word) > 4]
    found = {
        name: min(known, key=lambda pair: (abs(pair[1] - share * count), pair[0]))[0] for name, share in SHARES.items()
    }
    found["searches"] = [" ".join(writer.some(chance.randint(1, 3))) for _ in range(SEARCHES)]
    (folder / "words.json").write_text(json.dumps(found, indent=1))


def _write_manifest(slug, count, chance, path):
    names = [f"{word.capitalize()} and {other}" for word, other in zip(COMMON[::2], COMMON[1::2], strict=False)]
    topics, tags = {rank: [] for rank in range(TOPICS)}, {rank: [] for rank in range(TAGS)}
    topic_weights, tag_weights = ([1 / (rank + 1) for rank in some] for some in (topics, tags))
    for number in range(1, count + 1):
        topics[chance.choices(list(topics), topic_weights)[0]].append(number)
        for rank in set(chance.choices(list(tags), tag_weights, k=2)):
            tags[rank].append(number)
    lines = [
        "[collection]",
        f'title = "Notices of {slug}, which does not exist"',
        'jurisdiction = "Nowhere"',
        'language = "en"',
        'origin = "Made by a script for measurements. It says nothing about anything."',
    ]
    for rank, numbers in topics.items():
        if numbers:
            lines += ["", "[[topics]]", f'slug = "topic-{rank + 1}"', f'name = "{names[rank]}"']
            lines.append(f"questions = {numbers}")
    for rank, numbers in tags.items():
        if numbers:
            lines += ["", "[[tags]]", f'name = "{COMMON[rank + 40]}"', f"questions = {numbers}"]
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
