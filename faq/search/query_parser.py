"""Reads what people type, and the texts that it is compared with: words, folding, phrases, what to leave out. Pure.

    will they tell “la migra” -bond     words will, they, tell, la, migra; the phrase (la migra); without (bond)

Everything that is not a quoted phrase or a word with a minus in front is plain text, so any input can be read.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .stemming import stem

MAX_LENGTH = 1000
"""Of what somebody typed, in characters. What comes after is not read."""
MAX_WORDS = 40
MAX_LETTERS = 40
"""Of a word. No database's index takes words of any length."""

# A word: letters and digits with the accents that stand on them, and apostrophes between.
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+(?:['’‘ʼ´`](?:[^\W_]|[\u0300-\u036f])+)*")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_PIECE = re.compile(r'(?P<minus>(?<!\S)-(?=[\w"]))?(?:"(?P<phrase>[^"]*)"|(?P<plain>[^\s"]+))')
_POSSESSIVE = re.compile(r"['’‘ʼ´`]s$", re.IGNORECASE)

# Words that say nothing about the subject: articles, pronouns, question words, and verbs that every question has.
# No word is in it that means something else in the other language (“son”, “sin”, “once”).
_STOP = """
a about actually after again all already also always am an and any anybody anyone anything are as at back be because
been before being both but by can cannot cant come comes could did didnt do does doesnt doing done dont else even ever
every everybody everyone for from gave get gets getting give given gives giving go goes going gone gonna got had
happen happened happening happens has have having he hello her here hers hi him his how i if im in into is isnt it its
ive just know let lets like made make makes making many may maybe me might mine more most much must my myself need
needs never no nobody not nothing now of off ok okay on only or other our ours out over own please put really said
same say says see shall she should so some somebody someone something still such sure take takes than thank thanks
that thats the their theirs them then there these they thing things this those to too try two up us very want wants
was way we were what whats when where whether which while who whom whos whose why will with without wont would yes yet
you your yours
al algo alguien alguna algunas alguno algunos ante antes aquel aqui asi aun aunque cada como con cual cuales cuando
cuanto de del desde donde durante el ella ellas ellos en entre era eran eres es esa esas ese eso esos esta estaba
estan estar estas este esto estos estoy etc fue fueron gracias ha haber habia hace hacen hacer hacia han hasta hay
hola la las le les lo los mas me mi mis mucho muchos muy nada nadie ni nos nosotros nuestra nuestras nuestro nuestros
o otra otras otro otros para pero poco por porque pueda puede pueden puedo que quien quienes quiere quiero se sea ser
si sobre solo soy su sus tambien te tener tengo ti tiene tienen todo todos tu tus u un una unas uno unos usted ustedes
va vamos van voy y ya yo
"""
STOP = frozenset(_STOP.split())


@dataclass(frozen=True)
class Query:
    """What somebody asked: `words` in order and once each, folded; `phrases` and `without` as tuples of words."""

    words: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The words that say something; all of them where none does (“what is it?”)."""
        return tuple(word for word in self.words if word not in STOP) or self.words

    def plain(self) -> "Query":
        """The same words without any condition on them."""
        return Query(self.words)


def read(text: str) -> Query:
    """The query in what somebody typed. A minus counts only beside words that are wanted."""
    text = text[:MAX_LENGTH].translate(_QUOTES)
    wanted: list[str] = []
    phrases, without = [], []
    for piece in _PIECE.finditer(text):
        found = tuple(words(piece["phrase"] or piece["plain"] or ""))
        if not found:
            continue
        if piece["minus"]:
            without.append(found)
        else:
            wanted += found
            if piece["phrase"] and len(found) > 1:
                phrases.append(found)
    if not wanted:
        return Query(_once(word for group in without for word in group))
    return Query(_once(wanted), tuple(dict.fromkeys(phrases)), tuple(dict.fromkeys(without)))


def words(text: str) -> list[str]:
    """All words of a text, folded, in order."""
    found = [_fold(word) if len(word) <= MAX_LETTERS else fold(word) for word in _WORD.findall(text)]
    return found if all(found) else list(filter(None, found))


def places(text: str) -> list[tuple[str, int, int]]:
    """All words of a text, folded, each with where it begins and ends."""
    found = ((fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(text))
    return [(word, start, end) for word, start, end in found if word]


def fold(word: str) -> str:
    """Lower case, without accents, apostrophes and 's, so that what looks the same is the same. May become empty."""
    return _fold(word) if len(word) <= MAX_LETTERS else _fold.__wrapped__(word)


@lru_cache(maxsize=20_000)  # of usual words: they come again and again
def _fold(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word.lower()[:MAX_LETTERS]
    plain = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", word)).casefold()
    return "".join(letter for letter in plain if letter.isalnum())[:MAX_LETTERS]


def stems(text: str) -> list[str]:
    """All words of a text by their stems, in order."""
    return [stem(word) for word in words(text)]


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MAX_WORDS]
