"""Migrations can be taken back and applied again with data there."""

from faq.tests.installations import installation

FACTS = """
from django.db import connection
cursor = connection.cursor()
for table in ("faq_question", "faq_answerpoint", "faq_edition", "faq_event", "faq_question_topics", "faq_searchtext"):
    cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
    columns = [column[0] for column in cursor.description]
    print([dict(zip(columns, row)) | {"vector": ""} for row in cursor.fetchall()])
"""
FIND = """
from faq.search.search import Search
print(len(Search("immigration hold").found))
"""


def test_the_search_can_be_taken_back_and_made_again(tmp_path):
    with installation(tmp_path) as site:
        site.manage("migrate", "-v0")
        site.manage("import_seed", "seeds/wyoming-courts-ice.txt", "--publish")
        before = site.manage("shell", "-v0", "-c", FACTS)
        site.manage("migrate", "faq", "0001_initial", "-v0")
        assert site.manage("shell", "-v0", "-c", FACTS) == before
        site.manage("migrate", "-v0")
        assert site.manage("shell", "-v0", "-c", FACTS) == before
        site.manage("rebuild_search", "--check")
        assert int(site.manage("shell", "-v0", "-c", FIND)) > 0
