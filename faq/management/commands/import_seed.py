"""Import a seed file into a collection."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils.text import slugify
from tqdm import tqdm

from faq import importing, manifest, seedfile


class Command(BaseCommand):
    help = (
        "Import a seed file (numbered questions and answers) as drafts, or with --publish for the public to read. "
        "A file with the same name and the ending .toml beside it, the manifest, gives title, topics and tags. "
        "Importing again merges: what an editor wrote is never overwritten."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="the seed file")
        parser.add_argument("--publish", action="store_true", help="seal what is new or changed, marked as unchecked")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")
        parser.add_argument("--manifest", type=Path, help="the manifest, if it is not beside the seed file")
        parser.add_argument("--collection", help="the collection's slug (default: the file's name)")
        for name in ("title", "jurisdiction", "language", "origin"):
            parser.add_argument(f"--{name}", help=f"the collection's {name}, if there is no manifest")

    def handle(self, file, publish, dry_run, collection, verbosity, **options):
        document = self._document(file)
        about = self._manifest(file, options, document)
        slug = self._slug(collection or about.slug or slugify(file.stem))
        report = importing.import_document(
            document,
            about,
            slug,
            publish=publish,
            dry_run=dry_run,
            progress=lambda questions: tqdm(
                questions, total=len(document.questions), unit=" questions", disable=None, leave=False
            ),
        )
        self._tell(report, dry_run, verbosity)

    def _document(self, file):
        try:
            document = seedfile.parse(file.read_bytes())
        except OSError as error:
            raise CommandError(f"{file} cannot be read ({error.strerror}). Nothing was imported.") from None
        except seedfile.SeedError as error:
            raise CommandError(f"{file}, {error} Nothing was imported.") from None
        for warning in document.warnings:
            self.stderr.write(self.style.WARNING(f"{file}, warning, {warning}"))
        return document

    def _manifest(self, file, options, document):
        path = options["manifest"] or file.with_suffix(".toml")
        given = {name: options[name] for name in ("title", "jurisdiction", "language", "origin") if options[name]}
        if not path.exists():
            if path != file.with_suffix(".toml"):
                raise CommandError(f"The manifest {path} does not exist. Nothing was imported.")
            title = file.stem.replace("-", " ").replace("_", " ").strip().capitalize()
            if not manifest.LANGUAGE.fullmatch(given.get("language", "en")):
                raise CommandError(f"“{given['language']}” is not a language code such as en or es.")
            return manifest.Manifest(**{"title": title, **given})
        if given:
            raise CommandError(f"--{next(iter(given))} is for files without a manifest. Change {path} instead.")
        try:
            about = manifest.parse(path.read_bytes())
            errors, warnings = manifest.misfits(about, document)
            if errors:
                raise manifest.ManifestError(errors)
        except manifest.ManifestError as error:
            problems = "\n".join(f"  - {problem}" for problem in error.problems)
            raise CommandError(f"The manifest {path} does not fit:\n{problems}\nNothing was imported.") from None
        for warning in warnings:
            self.stderr.write(self.style.WARNING(f"{path}, warning: {warning}"))
        return about

    def _slug(self, slug):
        if manifest.SLUG.fullmatch(slug) and len(slug) <= 50:
            return slug
        raise CommandError(
            f"“{slug}” cannot be part of an address. Name the collection with --collection: at most 50 small letters, "
            "digits and hyphens."
        )

    def _tell(self, report, dry_run, verbosity):
        for number, outcome in report.outcomes:
            if dry_run or verbosity > 1 or outcome in (importing.CONFLICT, importing.KEPT):
                self.stdout.write(f"  question {number}: {outcome}")
        for number, why in report.held.items():
            self.stdout.write(self.style.WARNING(f"  question {number} was not published: {why}."))
        for notice in report.notices:
            self.stdout.write(f"  {notice}")
        self.stdout.write(self.style.SUCCESS(f"{report.collection.slug}: {report}"))
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")
