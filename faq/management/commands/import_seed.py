"""Import seed files into collections."""

from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify
from tqdm import tqdm

from faq.answers import manifest, seedfile
from faq.workflow import importing


class Command(BaseCommand):
    help = (
        "Import a seed file (numbered questions and answers) as drafts, or publish it with --publish. The manifest, a "
        "file with the same name and the extension .toml, contains title, topics and tags. A repeated import merges "
        "texts and never overwrites the text of an editor. Of several files, all are imported or none."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, nargs="+", help="one or more seed files")
        parser.add_argument(
            "--publish", action="store_true", help="publish new and changed answers, marked as unchecked"
        )
        parser.add_argument("--dry-run", action="store_true", help="report the changes without making them")
        parser.add_argument("--manifest", type=Path, help="the manifest, if it is in another place")
        parser.add_argument("--collection", help="the collection's slug (default: the file's name)")
        for name in ("title", "jurisdiction", "language", "origin"):
            parser.add_argument(f"--{name}", help=f"the collection's {name}, if there is no manifest")

    def handle(self, file, publish, dry_run, collection, verbosity, **options):
        if len(file) > 1:
            self._refuse_single_file_options(options | {"collection": collection})
        # Parse all files before the first import, but keep only one document in memory.
        slugs: dict[str, Path] = {}
        for path in file:
            document, about = self._read(path, options, warn=True)
            slug = self._slug(collection or about.slug or slugify(path.stem))
            if slug in slugs:
                raise CommandError(f"{slugs[slug]} and {path} are both the collection {slug}. Nothing was imported.")
            slugs[slug] = path
        reports = []
        with transaction.atomic():
            for slug, path in slugs.items():
                if len(file) > 1:
                    document, about = self._read(path, options)
                bar = partial(
                    tqdm, desc=slug, total=len(document.questions), unit=" questions", disable=None, leave=False
                )
                reports.append(
                    importing.import_document(document, about, slug, publish=publish, dry_run=dry_run, progress=bar)
                )
            if dry_run:
                transaction.set_rollback(True)
        for report in reports:
            self._print_report(report, verbosity if not dry_run else 2)
        if dry_run:
            self.stdout.write("This was a dry run: nothing was changed.")

    def _refuse_single_file_options(self, options):
        for name in ("collection", "manifest", "title", "jurisdiction", "language", "origin"):
            if options[name]:
                raise CommandError(f"--{name} is for one file. Give each file a manifest of its own instead.")

    def _read(self, file, options, warn=False):
        """Return the document of a seed file and its manifest. With `warn`, print warnings."""
        document = self._document(file, warn)
        return document, self._manifest(file, options, document, warn)

    def _document(self, file, warn):
        try:
            document = seedfile.parse(file.read_bytes())
        except OSError as error:
            raise CommandError(f"{file} cannot be read ({error.strerror}). Nothing was imported.") from None
        except seedfile.SeedError as error:
            raise CommandError(f"{file}, {error} Nothing was imported.") from None
        for warning in document.warnings if warn else ():
            self.stderr.write(self.style.WARNING(f"{file}, warning, {warning}"))
        return document

    def _manifest(self, file, options, document, warn):
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
            errors, warnings = manifest.mismatches(about, document)
            if errors:
                raise manifest.ManifestError(errors)
        except manifest.ManifestError as error:
            problems = "\n".join(f"  - {problem}" for problem in error.problems)
            raise CommandError(f"The manifest {path} does not fit:\n{problems}\nNothing was imported.") from None
        for warning in warnings if warn else ():
            self.stderr.write(self.style.WARNING(f"{path}, warning: {warning}"))
        return about

    def _slug(self, slug):
        if manifest.SLUG.fullmatch(slug) and len(slug) <= 50:
            return slug
        raise CommandError(
            f"“{slug}” cannot be part of an address. Name the collection with --collection: at most 50 small letters, "
            "digits and hyphens."
        )

    def _print_report(self, report, verbosity):
        for number, outcome in report.outcomes:
            if verbosity > 1 or outcome in (importing.CONFLICT, importing.KEPT):
                self.stdout.write(f"  question {number}: {outcome}")
        for number, reason in report.held.items():
            self.stdout.write(self.style.WARNING(f"  question {number} was not published: {reason}."))
        for notice in report.notices:
            self.stdout.write(f"  {notice}")
        self.stdout.write(self.style.SUCCESS(f"{report.collection.slug}: {report}"))
