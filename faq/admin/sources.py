"""Sources in the admin."""

from django.contrib import admin
from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html_join

from faq.models import Question, Source
from faq.workflow import working_copy
from faq.workflow.audit import signature


class ReachFilter(admin.SimpleListFilter):
    title, parameter_name = "address", "reach"

    def lookups(self, request, model_admin):
        return [("fails", "Does not answer"), ("never", "Never visited")]

    def queryset(self, request, queryset):
        if self.value() == "fails":
            return queryset.unreachable()
        if self.value() == "never":
            return queryset.filter(visited_at__isnull=True).exclude(address="")
        return queryset


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin):
    list_display = ["title", "publisher", "kind", "cited", "reach"]
    list_filter = ["kind", ReachFilter]
    list_per_page = 50
    ordering = ["title", "key"]
    search_fields = ["title", "publisher", "address"]
    fields = ["title", "publisher", "kind", "address", "archived", "reach", "cited_by"]
    readonly_fields = ["reach", "cited_by"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(citation_count=Count("citations"))

    @admin.display(description="points", ordering="citation_count")
    def cited(self, source):
        return source.citation_count

    @admin.display(description="address")
    def reach(self, source):
        if source.fails_since:
            return f"Does not answer since {source.fails_since:%-d %B %Y}: {source.failure}"
        return f"Answered on {source.visited_at:%-d %B %Y}" if source.visited_at else "Not visited yet"

    @admin.display(description="cited by")
    def cited_by(self, source):
        questions = Question.objects.filter(points__citations__source=source).distinct().in_order()[:50]
        rows = ((reverse("admin:faq_question_change", args=[question.pk]), question) for question in questions)
        return format_html_join("", '<div><a href="{}">{}</a></div>', rows) or "–"

    def save_model(self, request, obj, form, change):
        if form.changed_data and all(person["id"] != request.user.pk for person in obj.written_by):
            obj.written_by = [*obj.written_by, signature(request.user)]
        super().save_model(request, obj, form, change)
        if change and form.changed_data:
            # The title is part of every answer that cites the source, so their working copies have changed.
            questions = Question.objects.filter(points__citations__source=obj)
            working_copy.refresh_many(Question.objects.filter(pk__in=questions.values("pk")), request.user)
