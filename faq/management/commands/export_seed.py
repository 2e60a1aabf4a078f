"""Export a collection as a seed file."""

from django.core.management.base import BaseCommand, CommandError

from faq.answers import content as contents
from faq.answers import seedfile
from faq.models import Collection, Question
from faq.workflow import working_copy


class Command(BaseCommand):
    help = "Print a collection's public answers, or its working copies, as a seed file."

    def add_arguments(self, parser):
        parser.add_argument("collection", help="the collection's slug")
        parser.add_argument(
            "--working-copy", action="store_true", help="export the working copies instead of the public answers"
        )

    def handle(self, collection, **options):
        if not Collection.objects.filter(slug=collection).exists():
            slugs = ", ".join(Collection.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no collection “{collection}”. Collections: {slugs}.")
        questions = Question.objects.filter(collection__slug=collection).select_related("collection").order_by("number")
        if options["working_copy"]:
            rows = questions.prefetch_related("points__citations__source").iterator(500)
            pairs = ((question.number, working_copy.content(question)) for question in rows)
        else:
            rows = questions.public().select_related("live").iterator(500)
            pairs = ((question.number, question.live.content) for question in rows)
        document = seedfile.Document(tuple(contents.seed_question(number, content) for number, content in pairs))
        text = seedfile.render(document)
        self.stdout.write(text, ending="")
        if problem := self._import_problem(text, document):
            self.stderr.write(self.style.WARNING(f"You cannot import this text again without changes: {problem}"))

    def _import_problem(self, text, document):
        numbers = [question.number for question in document.questions]
        missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))
        if missing:
            return f"question {', '.join(map(str, missing))} is missing."
        try:
            if seedfile.parse(text) == document:
                return None
        except seedfile.SeedError as error:
            return str(error)
        return "a question and a point look the same, so an import would read the text differently."
