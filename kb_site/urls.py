"""All addresses of the site: the admin, and everything else in `faq`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("faq.urls")),
]

handler404 = "faq.views.not_found"
handler500 = "faq.views.server_error"
