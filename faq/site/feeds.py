"""The Atom feed of changes."""

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _

from faq.models import Edition


class Changes(Feed):
    feed_type = Atom1Feed

    def title(self):
        return _("Changes on %(site)s") % {"site": settings.SITE_NAME}

    def link(self):
        return reverse("changes")

    def subtitle(self):
        return _("Answers that were published or changed in meaning, newest first.")

    def items(self):
        return Edition.objects.news()[:50]

    def item_title(self, edition):
        return edition.content.question

    def item_description(self, edition):
        return edition.change_note

    def item_pubdate(self, edition):
        return edition.published_at

    item_updateddate = item_pubdate

    def item_guid(self, edition):
        return f"urn:sha256:{edition.digest}:{edition.number}"
