"""Reports of readers and texts of the site in the admin."""

from django.contrib import admin
from django.utils.html import format_html

from faq.models import Edition, Report, SiteText


@admin.register(Report)
class ReportAdmin(admin.ModelAdmin):
    list_display = ["received_at", "state", "question", "excerpt"]
    list_filter = ["state", "received_at"]
    list_select_related = ["edition__question"]
    search_fields = ["text"]
    fields = ["received_at", "place", "text", "state", "answered_by"]
    readonly_fields = ["received_at", "place", "text"]

    @admin.display(description="question")
    def question(self, report):
        return report.edition.question

    @admin.display(description="text")
    def excerpt(self, report):
        return report.text[:100] or "(deleted after 90 days)"

    @admin.display(description="about")
    def place(self, report):
        anchor = f"#p{report.point}" if report.point else ""
        label = f"{report.edition}, point {report.point}" if report.point else report.edition
        return format_html('<a href="{}{}">{}</a>', report.edition.get_absolute_url(), anchor, label)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "answered_by":
            # Offer only editions of the reported question.
            pk = request.resolver_match.kwargs.get("object_id")
            reported = Report.objects.filter(pk=pk).values("edition__question")
            kwargs["queryset"] = Edition.objects.filter(question__in=reported).select_related("question")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request, obj, form, change):
        if obj.answered_by_id and obj.state in (Report.State.NEW, Report.State.IN_WORK):
            obj.state = Report.State.ANSWERED
        super().save_model(request, obj, form, change)

    def has_add_permission(self, request):
        return False


@admin.register(SiteText)
class SiteTextAdmin(admin.ModelAdmin):
    list_display = ["name", "language"]
