"""The URL configuration of the site: the admin, files for machines, health checks, and the public pages."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

from faq.site import views
from faq.site.sitemaps import sitemap

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sitemap.xml", views.public_page(sitemap), name="sitemap"),
    path("sitemap-<slug:section>.xml", views.public_page(sitemap), name="sitemap_section"),
    path("robots.txt", views.robots, name="robots"),
    path("healthz", views.alive, name="alive"),
    path("readyz", views.ready, name="ready"),
    *i18n_patterns(path("", include("faq.site.urls")), prefix_default_language=False),
]

handler404 = "faq.site.views.not_found"
handler500 = "faq.site.views.server_error"
