"""The site's data. One file for each family; see each for what it holds."""

from .backups import BackupProof
from .collections import Collection, RetiredTopic, Topic
from .editions import Check, Edition
from .log import Event, Presence
from .questions import AnswerPoint, Note, Question, QuestionTag
from .reports import Report
from .searching import MissedSearch, SearchKey, SearchText, SearchWord, Synonym
from .sources import Citation, Source
from .versions import ContentVersion
from .words import SiteText

__all__ = [
    "AnswerPoint", "BackupProof", "Check", "Citation", "Collection", "ContentVersion", "Edition", "Event",
    "MissedSearch", "Note", "Presence", "Question", "QuestionTag", "Report", "RetiredTopic", "SearchKey", "SearchText",
    "SearchWord", "SiteText", "Source", "Synonym", "Topic",
]  # fmt: skip
