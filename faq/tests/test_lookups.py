"""Lists of the admin: the filters that they offer work, and no other lookup in an address runs."""

import re
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from faq.models import MissedSearch, Note, Report, Source
from faq.tests.conftest import import_text, logged_in

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def superuser(library):
    """A browser, and two rows in every list that has filters, so that it offers all of them."""
    other = User.objects.create_user("ann")
    import_text(slug="more")
    for name, kind in (("one", "gap"), ("two", "doubt")):
        Group.objects.create(name=name)
        TOTPDevice.objects.create(user=other, name=name)
        StaticDevice.objects.create(user=other, name=name)
        Note.objects.create(collection=library, kind=kind, text=name)
        Source.objects.create(title=name)
        MissedSearch.objects.create(words=name, day=timezone.localdate())
    Report.objects.create(edition=library.questions.first().live, text="Unclear.")
    return logged_in(User.objects.create_superuser("sam"))


def address(model):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def lookups_of(model):
    """Lookups on every field of a model, and on every field of the models that it is related to."""
    yield from ("nonsense", "pk__gt", "id__regex")
    for field in model._meta.get_fields():
        if not field.is_relation:
            yield from (f"{field.name}__{how}" for how in ("regex", "iregex", "startswith"))
        elif field.related_model:
            names = [other.name for other in field.related_model._meta.fields if not other.is_relation]
            yield from (f"{field.name}__{name}__regex" for name in names[:4])
            yield from (f"{field.name}__{name}" for name in ("pk", "in", f"{names[-1]}__exact"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_refuses_every_lookup_that_is_none_of_its_filters(superuser, model):
    for lookup in lookups_of(model):
        assert superuser.get(address(model), {lookup: "("}).status_code == 400, lookup


@pytest.mark.parametrize(
    "path",
    [
        r"/admin/faq/question/?text__regex=^(\w+\s?)%2B$", r"/admin/faq/question/export/?text__regex=^(\w+\s?)%2B$",
        "/admin/faq/question/?live__content__contains=x", "/admin/faq/question/?collection__slug__iregex=(",
        "/admin/auth/user/?password__startswith=a", "/admin/auth/group/?user__password__startswith=a",
        "/admin/otp_totp/totpdevice/?key__startswith=a", "/admin/otp_totp/totpdevice/?user__password__regex=^a",
    ],
)  # fmt: skip
def test_a_lookup_that_would_guess_or_stop_the_site_is_refused(superuser, path):
    assert superuser.get(path).status_code == 400
    assert superuser.post(path, {"action": "delete_selected"}).status_code == 400


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_filter_that_a_list_offers_works(superuser, model):
    page = superuser.get(address(model))
    specs = page.context["cl"].filter_specs
    assert len(specs) == len(page.context["cl"].list_filter)  # none is hidden for lack of rows
    html = page.content.decode()
    links = {unescape(link) for link in re.findall(r'href="(\?[^"]+)"', html)}
    names = {name for link in links for name in re.findall(r"[?&](\w+)=", link)}
    assert not specs or names >= {spec.expected_parameters()[0] for spec in specs}
    for link in links:
        assert superuser.get(address(model) + link).status_code == 200, link
        if "question" in page.request["PATH_INFO"]:
            assert superuser.get(f"{address(model)}export/{link}").status_code == 200, link


@pytest.mark.parametrize(
    "query",
    [
        "/admin/faq/missedsearch/?day__year=9999", "/admin/faq/missedsearch/?day__year=999999999999",
        "/admin/faq/missedsearch/?day__year=9999&day__month=12&day__day=31", "/admin/faq/missedsearch/?day__year=x",
        "/admin/faq/report/?received_at__gte=0001-01-01+00:00:00%2B23:59", "/admin/faq/report/?received_at__gte=x",
        "/admin/faq/note/?settled__in=x", "/admin/faq/report/?state__in=new,nonsense", "/admin/faq/note/?kind=(",
    ],
)  # fmt: skip
def test_a_filter_with_a_malformed_value_causes_no_server_error(superuser, query):
    superuser.get("/admin/")
    assert superuser.get(query).status_code in (200, 302)
