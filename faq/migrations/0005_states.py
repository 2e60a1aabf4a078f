"""Fill what the desk counts, for questions that are there already. (None of their points has a source yet.)"""

from django.db import migrations
from django.db.models import Case, CharField, Count, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    Question, Edition = apps.get_model("faq", "Question"), apps.get_model("faq", "Edition")
    AnswerPoint = apps.get_model("faq", "AnswerPoint")
    live = Edition.objects.filter(pk=OuterRef("live")).values("digest")
    points = AnswerPoint.objects.filter(question=OuterRef("pk")).order_by().values("question")
    Question.objects.update(
        state=Case(
            When(live__isnull=True, withdrawn_at__isnull=False, then=Value("withdrawn")),
            When(live__isnull=True, then=Value("draft")),
            When(digest=Subquery(live), then=Value("public")),
            default=Value("changed"),
            output_field=CharField(),
        ),
        unsourced=Coalesce(Subquery(points.annotate(number=Count("pk")).values("number")), 0),
    )


class Migration(migrations.Migration):
    dependencies = [("faq", "0004_desk")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
