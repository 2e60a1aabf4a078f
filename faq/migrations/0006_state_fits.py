from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("faq", "0005_states")]

    operations = [
        migrations.RemoveConstraint(model_name="question", name="question_checked_and_due_together"),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.CheckConstraint(
                condition=Q(checked_on__isnull=True, check_due__isnull=True)
                | Q(checked_on__isnull=False, check_due__gte=F("checked_on")),
                name="question_checked_and_due_together",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.CheckConstraint(
                condition=Q(live__isnull=True) | Q(state__in=["changed", "public"]), name="question_state_fits"
            ),
        ),
    ]
