"""The context processor of the site."""

from django.conf import settings
from django.urls import translate_url
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language_info

from faq.answers import markup


def _text(name, language):
    """Return a `SiteText` as HTML, in this language or else in the site's default one; "" if there is none."""
    from faq.models import SiteText

    texts = dict(SiteText.objects.filter(name=name).values_list("language", "text"))
    return markup.render(texts.get(language) or texts.get(settings.LANGUAGE_CODE) or "")


def site(request):
    language = getattr(request, "LANGUAGE_CODE", settings.LANGUAGE_CODE)
    return {
        "site_name": settings.SITE_NAME,
        "leave_url": settings.LEAVE_URL,
        "language": language,
        # The same page in the other languages, as (code, the language's name for itself, address).
        "translations": [
            (code, get_language_info(code)["name_local"], escape_uri_path(translate_url(request.path, code)))
            for code, _ in settings.LANGUAGES
            # Browsers take “//name/” for the address of another host, and also “/\\name/” unless it is escaped.
            if code != language and not request.path.startswith("//")
        ],
        "texts": {
            name: SimpleLazyObject(lambda name=name: _text(name, language)) for name in ("help", "who", "contact")
        },
    }
