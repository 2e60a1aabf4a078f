"""The site's data. One file for each family; see each for what it holds."""

from .collections import Collection, Topic
from .editions import Check, Edition
from .questions import AnswerPoint, Note, Question, QuestionTag
from .reports import Report
from .searching import MissedSearch, SearchKey, SearchText, SearchWord, Synonym
from .words import SiteText

__all__ = [
    "AnswerPoint", "Check", "Collection", "Edition", "MissedSearch", "Note", "Question", "QuestionTag", "Report",
    "SearchKey", "SearchText", "SearchWord", "SiteText", "Synonym", "Topic",
]  # fmt: skip
