"""List answers whose check against the sources is due."""

import sys
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from faq.models import Question


class Command(BaseCommand):
    help = "List public answers whose check is overdue or due soon. The exit status is 1 if a check is overdue."

    def add_arguments(self, parser):
        parser.add_argument("--within", type=int, default=14, help="days to look ahead (default: 14)")

    def handle(self, within, **options):
        today = timezone.localdate()
        due = Question.objects.filter(check_due__lte=today + timedelta(days=within))
        questions = list(due.select_related("collection").order_by("check_due", "collection_id", "number"))
        overdue = 0
        for question in questions:
            days = (today - question.check_due).days
            overdue += days > 0
            status = f"overdue by {days} day{'s' * (days != 1)}" if days > 0 else f"due on {question.check_due}"
            line = f"{question.collection.slug} {question.number}: {status}. Checked on {question.checked_on}."
            self.stdout.write(self.style.ERROR(line) if days > 0 else line)
        unchecked = Question.objects.public().unchecked().count()
        self.stdout.write(
            f"{overdue} overdue, {len(questions) - overdue} due within {within} days, {unchecked} never checked."
        )
        if overdue:
            sys.exit(1)
