"""Full-text search in public answers.

    query_parser, stemming  split and normalize text; parse queries                   no database
    typos, ranking          correct misspelled words; score texts with field weights  no database
    highlight               mark words in a text as safe HTML                         no database
    synonyms                the editors' synonyms
    indexing, signals       build index rows, and update them when rows change
    rebuilding              rebuild the index, or compare it with the public content
    sqlite, postgres        find candidates in the full-text index of the database
    planning                convert a query to conditions for the full-text index
    search                  run one search: ordered questions with passages
    zero_results            searches without results, for editors
    errors                  the error for a missing or damaged index

The package imports its modules lazily, because `faq.models` uses one of them.
"""


def index(questions):
    """Update the index rows of `questions`. Load them with `live`."""
    from . import indexing

    indexing.index(questions)
