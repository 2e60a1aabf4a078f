"""Fill what the desk counts, for questions that are there already. (None of their points has a source yet.)"""

from django.db import migrations
from django.db.models import Count, F

BATCH = 500


def fill(apps, schema_editor):
    Question = apps.get_model("faq", "Question")
    live = Question.objects.filter(live__isnull=False)
    changed = list(live.exclude(digest=F("live__digest")).values_list("pk", flat=True))
    live.update(state="public")
    Question.objects.filter(live__isnull=True, withdrawn_at__isnull=False).update(state="withdrawn")
    for start in range(0, len(changed), BATCH):
        Question.objects.filter(pk__in=changed[start : start + BATCH]).update(state="changed")
    by_count = {}
    for pk, count in Question.objects.order_by().annotate(count=Count("points")).values_list("pk", "count"):
        by_count.setdefault(count, []).append(pk)
    for count, pks in by_count.items():
        for start in range(0, len(pks), BATCH):
            Question.objects.filter(pk__in=pks[start : start + BATCH]).update(unsourced=count)


class Migration(migrations.Migration):
    dependencies = [("faq", "0004_desk")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
