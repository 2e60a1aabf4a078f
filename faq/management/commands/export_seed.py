"""Write a collection as a seed file."""

from django.core.management.base import BaseCommand, CommandError

from faq.answers import content as contents
from faq.answers import seedfile
from faq.models import Collection, Question
from faq.workflow import working_copy


class Command(BaseCommand):
    help = "Print the seed text of what is public in a collection, or of its working copies."

    def add_arguments(self, parser):
        parser.add_argument("collection", help="the collection's slug")
        parser.add_argument("--working-copy", action="store_true", help="what editors see, not what the public sees")

    def handle(self, collection, **options):
        if not Collection.objects.filter(slug=collection).exists():
            known = ", ".join(Collection.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no collection “{collection}”. Collections here: {known}.")
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
        if problem := self._why_not_importable(text, document):
            self.stderr.write(self.style.WARNING(f"This text cannot be imported again as it is: {problem}"))

    def _why_not_importable(self, text, document):
        numbers = [question.number for question in document.questions]
        missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))
        if missing:
            return f"question {', '.join(map(str, missing))} is not in it."
        try:
            if seedfile.parse(text) == document:
                return None
        except seedfile.SeedError as error:
            return str(error)
        return "in some places a question and a point look the same, and it would be read in another way."
