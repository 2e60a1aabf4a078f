"""Migrations can be taken back and applied again with data there."""

from faq.tests.installations import installation

SCRIPT = """
from django.core.management import call_command
from django.db import connection
from faq.search.search import Search

def facts():
    cursor = connection.cursor()
    for table in ("question", "answerpoint", "edition", "event", "question_topics", "searchtext"):
        cursor.execute(f"SELECT * FROM faq_{table} ORDER BY 1")
        columns = [column[0] for column in cursor.description]
        yield [dict(zip(columns, row)) | {"vector": ""} for row in cursor.fetchall()]

call_command("migrate", verbosity=0)
call_command("import_seed", "seeds/wyoming-courts-ice.txt", "--publish")
before = list(facts())
for target in (["faq", "0001_initial"], []):
    call_command("migrate", *target, verbosity=0)
    print(all(before), list(facts()) == before)
call_command("rebuild_search", check=True)
print(len(Search("immigration hold").found) > 0)
"""


def test_the_migration_of_the_search_can_be_taken_back_and_applied_again(tmp_path):
    with installation(tmp_path) as site:
        printed = site.manage("shell", "-v0", "-c", SCRIPT).splitlines()
    assert "The search index agrees with the public answers." in printed
    assert [line for line in printed if line.startswith(("True", "False"))] == ["True True", "True True", "True"]
