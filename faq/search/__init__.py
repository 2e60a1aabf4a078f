"""Search in the reader's own words, over what is public.

    reading, stemming   text to words, folded; queries to words, phrases, exclusions          pure
    typos, ranking      the nearest known word; how well a text fits: the only weights        pure
    highlight           words marked in a text, as safe HTML                                  pure
    synonyms            what editors noted that readers' words mean
    indexing, following what is indexed, and what keeps it in line
    rebuilding          the index made anew, and what differs
    sqlite, postgres    candidates from the database's own full-text index
    planning            from a query to what the index is asked
    finding             one search, from words to ordered questions with their passages
    missed              words that found nothing, for the editors
    errors              the error if the full-text index is missing or damaged

Nothing is imported here before it is asked for: the pure modules must stay so, and the models use one of them.
"""


def index(questions):
    """Bring the index in line with the live editions of `questions` (rows with `live` at hand)."""
    from . import indexing

    indexing.index(questions)
