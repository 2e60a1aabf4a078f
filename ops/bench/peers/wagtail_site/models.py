from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey
from taggit.models import TaggedItemBase
from wagtail.admin.panels import FieldPanel
from wagtail.fields import RichTextField
from wagtail.models import Page


class QuestionPageTag(TaggedItemBase):
    content_object = ParentalKey("QuestionPage", on_delete=models.CASCADE, related_name="tagged_items")


class QuestionPage(Page):
    body = RichTextField()
    tags = ClusterTaggableManager(through=QuestionPageTag, blank=True)

    content_panels = [*Page.content_panels, FieldPanel("body"), FieldPanel("tags")]
