"""Public addresses. They last: see promise 6 in the README."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("questions/", views.question_list, name="question_list"),
    path("topics/<slug:slug>/", views.topic, name="topic"),
    path("answers/<slug:collection>/", views.collection, name="collection"),
    path("answers/<slug:collection>/<int:number>/", views.question, name="question"),
    path("answers/<slug:collection>/<int:number>/history/", views.history, name="history"),
    path("answers/<slug:collection>/<int:number>/editions/<int:edition>/", views.edition, name="edition"),
    path("answers/<slug:collection>/<int:number>/<slug:slug>/", views.question, name="question"),
    path("healthz", views.alive, name="alive"),
]
