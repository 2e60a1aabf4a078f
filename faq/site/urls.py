"""Addresses of public pages. Never change one, since readers cite them. Each also exists below `/es/`."""

from django.urls import path

from . import feeds, views

urlpatterns = [
    path("", views.home, name="home"),
    path("questions/", views.question_list, name="question_list"),
    path("topics/<slug:slug>/", views.topic, name="topic"),
    path("answers/<slug:collection>/", views.collection, name="collection"),
    path("answers/<slug:collection>/<int:number>/", views.question, name="question"),
    path("answers/<slug:collection>/<int:number>/history/", views.history, name="history"),
    path("answers/<slug:collection>/<int:number>/report/", views.report, name="report"),
    path("answers/<slug:collection>/<int:number>/editions/<int:edition>/", views.edition, name="edition"),
    path("answers/<slug:collection>/<int:number>/<slug:slug>/", views.question, name="question"),
    path("reports/<slug:receipt>/", views.receipt, name="receipt"),
    path("drafts/<str:token>/", views.draft, name="draft"),
    path("changes/", views.changes, name="changes"),
    path("changes.atom", views.public_page(feeds.Changes()), name="feed"),
    path("about/", views.about, name="about"),
    path("accessibility/", views.accessibility, name="accessibility"),
]
