"""Review the wording of working copies."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from faq.answers import wording
from faq.models import Collection, Question
from faq.workflow import working_copy


class Command(BaseCommand):
    help = "List wording problems of the working copies, such as machine phrases, long sentences and missing dates."

    def add_arguments(self, parser):
        parser.add_argument("collection", nargs="?", help="only this collection (its slug)")
        parser.add_argument("--json", action="store_true", help="print one JSON object per line")

    def handle(self, collection, json, **options):
        questions = (
            Question.objects.select_related("collection").prefetch_related("points__citations__source").in_order()
        )
        if collection:
            if not Collection.objects.filter(slug=collection).exists():
                slugs = ", ".join(Collection.objects.values_list("slug", flat=True)) or "none"
                raise CommandError(f"There is no collection “{collection}”. Collections: {slugs}.")
            questions = questions.filter(collection__slug=collection)
        count = total = 0
        for question in questions.iterator(500):
            findings = wording.review(working_copy.content(question))
            total += 1
            count += len(findings)
            self._print(question, findings, json)
        if not json:
            self.stdout.write(
                self.style.SUCCESS(f"{count} finding{'s' * (count != 1)} in {total} question{'s' * (total != 1)}.")
            )

    def _print(self, question, findings, as_json):
        place = {"collection": question.collection.slug, "question": question.number}
        if as_json:
            for finding in findings:
                self.stdout.write(json.dumps({**place, **asdict(finding)}, ensure_ascii=False))
        elif findings:
            self.stdout.write(self.style.MIGRATE_HEADING(str(question)))
            for finding in findings:
                where = f"point {finding.key}" if finding.key else "answer"
                quote = f" “{finding.quote}”" if finding.quote else ""
                self.stdout.write(f"  {where}: {wording.KINDS[finding.kind]}.{quote} {finding.why}")
