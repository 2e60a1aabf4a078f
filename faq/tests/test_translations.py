"""The interface in Spanish: complete, in step with the templates, and with the content in its own language."""

import gettext
import re
from pathlib import Path

import pytest
from django.utils import dates, translation
from django.utils.translation.template import templatize

from faq.models import Question
from faq.tests.surfaces import html_addresses
from faq.tests.test_views import shape, words

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "faq" / "locale" / "es" / "LC_MESSAGES"


def catalogue():
    """The Spanish words as {English: Spanish}, read from the text file."""
    entries = {}
    for block in (FOLDER / "django.po").read_text().split("\n\n")[1:]:
        fields = dict(re.findall(r'^(msg\w+(?:\[\d\])?) ((?:".*"\n?)+)', block, re.M))
        texts = {name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', value)) for name, value in fields.items()}
        entries[texts["msgid"]] = texts.get("msgstr") or texts.get("msgstr[0]"), texts.get("msgstr[1]", "-")
    return entries


@pytest.mark.pure
def test_every_english_word_of_the_public_templates_and_forms_has_a_spanish_one():
    used = set()
    for path in [*(ROOT / "templates").glob("*.html"), *(ROOT / "templates" / "faq").rglob("*.html")]:
        source = templatize(path.read_text(), origin=str(path))
        used |= set(re.findall(r"n?gettext\(u?'((?:[^'\\]|\\.)*)'", source))
        used |= set(re.findall(r'n?gettext\(u?"((?:[^"\\]|\\.)*)"', source))
    assert len(used) > 80
    assert sorted(text for text in used if text.replace("\\'", "'") not in catalogue()) == []


@pytest.mark.pure
def test_no_entry_is_empty_or_loses_a_value():
    for english, (spanish, plural) in catalogue().items():
        assert spanish and plural, english
        assert set(re.findall(r"%\(\w+\)s", english)) == set(re.findall(r"%\(\w+\)s", spanish)), english


@pytest.mark.pure
def test_the_compiled_file_is_in_step_with_the_text():
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for english, (spanish, _) in catalogue().items():
        plain = english.replace('\\"', '"')
        found = compiled.ngettext(plain, plain + "s", 1) if plain == "%(count)s answer" else compiled.gettext(plain)
        assert found == spanish.replace('\\"', '"')


@pytest.mark.django_db
def test_every_page_exists_in_spanish_with_the_content_in_its_own_language(library, client):
    for address in html_addresses():
        response = client.get(f"/es{address}")
        page = shape(response.content)
        assert response.status_code == 200 and response.headers["Content-Language"] == "es"
        assert page.get("lang") == "es"
        assert page.xpath("//nav//a[@lang='en' and @hreflang='en']/@href")[0] == address
        assert "Skip to the content" not in words(response)
        for heading in page.xpath("//*[contains(text(), 'How long may I keep')]"):
            if heading.tag not in ("title", "script"):
                assert heading.xpath("ancestor-or-self::*[@lang][1]/@lang") == ["en"], (address, heading.tag)


@pytest.mark.django_db
def test_dates_are_written_in_the_readers_language(library, client):
    published = Question.objects.get(number=2).live.published_at
    with translation.override("es"):
        month = str(dates.MONTHS[published.month])
    text = words(client.get("/es/answers/library/2/", follow=True))
    assert f"{published.day} de {month} de {published.year}" in text


@pytest.mark.django_db
def test_the_language_is_never_guessed_from_the_browser(library, client):
    response = client.get("/", headers={"Accept-Language": "es"})
    assert response.headers["Content-Language"] == "en" and "Accept-Language" not in response.headers["Vary"]
