"""The groups and their permissions. `install` runs after every `migrate`; permissions that you added are kept."""

from django.apps import apps as registry
from django.db.models import Q

_EDITOR = [
    "view_collection", "view_topic", "view_edition", "view_check", "view_tag", "add_tag",
    "view_question", "add_question", "change_question",
    "view_answerpoint", "add_answerpoint", "change_answerpoint", "delete_answerpoint",
    "view_source", "add_source", "change_source",
    "view_note", "add_note", "change_note", "view_report", "change_report", "view_sitetext",
    "view_synonym", "add_synonym", "change_synonym", "delete_synonym", "view_missedsearch",
]  # fmt: skip

ROLES = {
    "Editors": _EDITOR,
    "Publishers": [*_EDITOR, "publish_question", "check_question"],
    "Site managers": [
        *_EDITOR,
        *(f"{verb}_{model}" for verb in ("add", "change", "delete") for model in ("topic", "tag")),
        *(f"{verb}_{model}" for verb in ("add", "change") for model in ("collection", "user", "sitetext")),
        "view_user",
        "view_group",
    ],
}


def install(using="default", apps=registry, **kwargs):
    """Create the groups with their permissions (a receiver of `post_migrate`)."""
    try:
        Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return
    permissions = {
        permission.codename: permission
        for permission in Permission.objects.using(using).filter(
            Q(content_type__app_label="faq") | Q(content_type__app_label__in=["auth", "taggit"])
        )
    }
    for name, codenames in ROLES.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(*(permissions[codename] for codename in codenames if codename in permissions))
