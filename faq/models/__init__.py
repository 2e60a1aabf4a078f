"""The models, grouped in one module per subject."""

from .audit import Event, Presence
from .backups import BackupProof
from .collections import Collection, RetiredTopic, Topic
from .content_version import ContentVersion
from .editions import Check, Edition
from .questions import AnswerPoint, Note, Question, QuestionTag
from .reports import Report
from .search import MissedSearch, SearchKey, SearchText, SearchWord, Synonym
from .site_texts import SiteText
from .sources import Citation, Source

__all__ = [
    "AnswerPoint", "BackupProof", "Check", "Citation", "Collection", "ContentVersion", "Edition", "Event",
    "MissedSearch", "Note", "Presence", "Question", "QuestionTag", "Report", "RetiredTopic", "SearchKey", "SearchText",
    "SearchWord", "SiteText", "Source", "Synonym", "Topic",
]  # fmt: skip
