"""The main journeys in a real browser with JavaScript switched off, and accessibility on every page.

Debian's Chromium drives them; where it is missing they are skipped, saying so, but never in CI."""

import os
import shutil
import time
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from faq.answers import manifest
from faq.models import Question, Report
from faq.tests.conftest import check, import_text
from faq.tests.surfaces import html_addresses
from faq.tests.test_sources import cite
from faq.workflow import publishing

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true",
        reason="no Chromium here: apt-get install chromium",
    ),
]


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": CHROMIUM, "args": FLAGS.split()}


@pytest.fixture
def site(live_server, library, publisher):
    """The library with an answer in every state: checked, overdue, revised, sourced, imported and withdrawn."""
    more = "".join(f"{n}. Another question {n}?\nText {n}.\n" for n in range(4, 7))
    text = "1. What is a tram?\nA train in a street.\n2. Gone?\nYes.\n3. Old?\nYes.\n" + more
    import_text(text, manifest.Manifest(title="Trams", jurisdiction="Springfield"), slug="trams", publish=True)
    trams = Question.objects.filter(collection__slug="trams")
    check(trams.get(number=1), publisher, comment="Compared with the notice.")
    publishing.withdraw(trams.get(number=2), because="Nobody found a source.")
    check(trams.get(number=3), publisher, on=timezone.localdate() - timedelta(days=400))
    revised = Question.objects.get(collection__slug="library", number=2)
    revised.short_answer = "Four weeks."
    revised.save()
    revised.points.update(text="Four weeks. No reminder is sent.")
    publishing.publish(revised, by=publisher, note="Longer.")
    sourced = Question.objects.get(collection__slug="library", number=1)
    cite(sourced.points.first(), place="§ 1", quotation="Anyone may borrow a book.")
    publishing.publish(sourced, by=publisher, note="A source.")
    Question.objects.filter(collection__slug="trams", number=4).update(unconfirmed=True)
    return live_server


@pytest.fixture
def reader(site, browser):
    """What a reader with an old phone sees, without JavaScript. Fails if another host was asked for anything."""
    context = browser.new_context(base_url=site.url, java_script_enabled=False, viewport={"width": 320, "height": 640})
    page, strangers = context.new_page(), []
    page.on("request", lambda request: strangers.append(request.url) if not request.url.startswith(site.url) else None)
    yield page
    assert strangers == [] and context.cookies() == []
    context.close()


def heading(page):
    return page.locator("h1").inner_text()


def test_answers_are_found_by_topic_keyword_and_words_and_a_link_to_a_point_leads_to_it(reader):
    reader.goto("/")
    reader.get_by_role("link", name="Visits").click()
    reader.get_by_role("link", name="Is there a bicycle stand?").click()
    assert heading(reader) == "Is there a bicycle stand?"
    assert "Imported, not checked by an editor yet" in reader.locator("main").inner_text()
    reader.goto("/questions/")
    reader.get_by_text("Narrow it down").click()
    reader.get_by_text("Keyword", exact=True).click()
    reader.get_by_role("link", name="bicycle 1").click()
    assert reader.locator(".questions > li").count() == 1
    reader.get_by_role("link", name="bicycle remove").click()
    assert reader.locator(".questions > li").count() == 8
    reader.goto("/questions/?q=elephant")
    assert "Use other words" in reader.locator("main").inner_text()
    assert reader.locator(".questions > li").count() == 5
    reader.goto("/")
    reader.get_by_label("Search in your own words").fill("do they charge for a libary card?")
    reader.get_by_role("button", name="Search").click()
    assert "Showing results for do they charge for a library card?" in reader.locator("main").inner_text()
    reader.get_by_role("link", name="Who may borrow a book?").click()
    assert reader.url.endswith("/answers/library/1/who-may-borrow-a-book/#p2")
    assert reader.locator(":target b").inner_text() == "Library card:"
    reader.get_by_role("link", name="Link to point 3").click()
    assert reader.url.endswith("/answers/library/1/who-may-borrow-a-book/#p3")
    assert "Day pass" in reader.locator(":target").inner_text()


def test_a_problem_is_reported_and_a_failure_is_shown(reader):
    reader.goto("/answers/library/1/")
    reader.get_by_role("link", name="Report a problem").click()
    reader.get_by_role("button", name="Send to the editors").click()
    assert "We could not store this." in reader.locator("main").inner_text()
    assert "Write in a few words" in reader.locator("main").inner_text()
    reader.get_by_label("Which part is it about?").select_option("2")
    reader.get_by_label("What is wrong or unclear?").fill("The card is not free.")
    time.sleep(3)  # else the form asks the reader to wait
    reader.get_by_role("button", name="Send to the editors").click()
    assert heading(reader) == "Your report is stored"
    assert Report.objects.values_list("text", "point").get() == ("The card is not free.", 2)


def test_the_interface_changes_to_spanish_and_keeps_the_place(reader):
    reader.goto("/questions/?q=book&topic=cards")
    reader.get_by_role("link", name="Español").click()
    assert reader.url.endswith("/es/questions/?q=book&topic=cards")
    assert heading(reader) == "Buscar una respuesta"
    reader.get_by_role("link", name="Who may borrow a book?").click()
    assert "Revisada por un editor" in reader.locator("main").inner_text()


def test_the_keyboard_alone_reaches_everything_in_order(reader):
    reader.goto("/")
    focused = []
    for _ in range(8):
        reader.keyboard.press("Tab")
        focused.append(reader.locator(":focus").inner_text().strip() or reader.locator(":focus").get_attribute("name"))
    assert focused == ["Skip to the content", "Leave this page", "Standing Answers", "Find an answer", "About",
                       "Español", "q", "Search"]  # fmt: skip
    reader.goto("/")
    reader.keyboard.press("Tab")
    reader.keyboard.press("Enter")
    reader.keyboard.press("Tab")
    reader.keyboard.type("bicycle")
    reader.keyboard.press("Enter")
    reader.wait_for_url("**/questions/?q=bicycle")
    for _ in range(40):
        reader.keyboard.press("Tab")
        if reader.locator(":focus").inner_text() == "Is there a bicycle stand?":
            break
    reader.keyboard.press("Enter")
    reader.wait_for_url("**/answers/library/3/**")
    assert heading(reader) == "Is there a bicycle stand?"


def test_the_link_that_leaves_the_site_is_always_visible_and_sends_no_referrer(reader):
    reader.goto("/answers/library/")
    for scroll in (0, 4000):
        reader.mouse.wheel(0, scroll)
        box = reader.get_by_role("link", name="Leave this page").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 640 and box["height"] >= 44
    assert reader.get_by_role("link", name="Leave this page").get_attribute("rel") == "noreferrer"


def test_a_handout_has_no_navigation_and_says_where_it_is_from(reader):
    reader.goto("/answers/trams/1/")
    reader.emulate_media(media="print")
    for hidden in ("header nav", ".leave", ".neighbours", ".key", "footer nav"):
        assert not reader.locator(hidden).first.is_visible(), hidden
    foot = " ".join(reader.locator(".handout:visible").all_inner_texts())
    assert "Edition 2 of" in foot and "Checked on" in foot and "/answers/trams/1/what-is-a-tram/" in foot
    reader.goto("/answers/library/")
    reader.emulate_media(media="print")
    assert reader.locator("article .handout:visible").count() == 3
    assert "Springfield" in reader.locator(".handout").first.inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_no_page_has_an_accessibility_fault_or_scrolls_sideways(site, browser, width, scheme):
    context = browser.new_context(base_url=site.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    addresses = [*html_addresses(), "/answers/library/1/report/", "/questions/?q=book&topic=cards", "/questions/?q=xyz",
                 "/questions/?q=libary", "/nowhere/", "/es/",
                 "/es/answers/library/1/who-may-borrow-a-book/"]  # fmt: skip
    faults = {}
    for address in addresses:
        page.goto(address)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
        if found.violations_count:
            faults[address] = found.generate_report()
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults[address] = faults.get(address, "") + "scrolls sideways"
    context.close()
    assert faults == {}


def test_targets_are_large_enough_for_a_finger(site, browser):
    """44 pixels for what stands alone; links within a sentence and the marks of points have room around them."""
    context = browser.new_context(base_url=site.url, viewport={"width": 320, "height": 640})
    page = context.new_page()
    small = []
    for address in ("/", "/questions/", "/answers/library/1/", "/answers/library/1/report/"):
        page.goto(address)
        for target in page.locator(
            "header a, .questions a, .topics a, .facets a, button, input:visible, summary"
        ).all():
            box = target.bounding_box() if target.is_visible() else None
            if box and box["height"] < 43.5 and box["width"] > 1:
                small.append((address, target.inner_text(), box["height"]))
    context.close()
    assert small == []
