"""Parse queries, and split texts into normalized words.

    will they tell “la migra” -bond     words will, they, tell, la, migra; phrase (la migra); without (bond)

Only quoted phrases and a leading minus have a meaning. All other input is plain text, so every query is valid.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .stemming import stem

MAX_LENGTH = 1000
"""Characters of a query. The rest is ignored."""
MAX_WORDS = 40
MAX_LETTERS = 40
"""Characters of a word. The indexes of both databases limit the length of words."""

# A word: letters and digits with the accents that stand on them, and apostrophes between.
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+(?:['’‘ʼ´`](?:[^\W_]|[\u0300-\u036f])+)*")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_PIECE = re.compile(r'(?P<minus>(?<!\S)-(?=[\w"]))?(?:"(?P<phrase>[^"]*)"|(?P<plain>[^\s"]+))')
_POSSESSIVE = re.compile(r"['’‘ʼ´`]s$", re.IGNORECASE)

# English and Spanish stop words: articles, pronouns, question words, and verbs that occur in most questions. The list
# contains no word with another meaning in the other language (“son”, “sin”, “once”).
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
    """A parsed query: distinct normalized `words` in order; `phrases` and `without` (exclusions) as tuples of words."""

    words: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The words without stop words, or all words if there are only stop words (“what is it?”)."""
        return tuple(word for word in self.words if word not in STOP) or self.words

    def plain(self) -> "Query":
        """Return the same words without phrases and exclusions."""
        return Query(self.words)


def read(text: str) -> Query:
    """Parse a query. Exclusions alone are read as plain words."""
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
        return Query(_unique(word for group in without for word in group))
    return Query(_unique(wanted), tuple(dict.fromkeys(phrases)), tuple(dict.fromkeys(without)))


def words(text: str) -> list[str]:
    """Return the normalized words of a text, in order."""
    found = [_fold(word) if len(word) <= MAX_LETTERS else fold(word) for word in _WORD.findall(text)]
    return found if all(found) else list(filter(None, found))


def positions(text: str) -> list[tuple[str, int, int]]:
    """Return (normalized word, start, end) for each word of a text."""
    found = ((fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(text))
    return [(word, start, end) for word, start, end in found if word]


def fold(word: str) -> str:
    """Normalize a word: lower case, without accents, apostrophes and 's. The result may be empty."""
    return _fold(word) if len(word) <= MAX_LETTERS else _fold.__wrapped__(word)


@lru_cache(maxsize=20_000)
def _fold(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word.lower()[:MAX_LETTERS]
    plain = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", word)).casefold()
    return "".join(letter for letter in plain if letter.isalnum())[:MAX_LETTERS]


def stems(text: str) -> list[str]:
    """Return the stems of the words of a text, in order."""
    return [stem(word) for word in words(text)]


def _unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MAX_WORDS]
