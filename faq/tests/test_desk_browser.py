"""The editors' main journeys in a real browser, and accessibility of the pages that this project adds to the admin."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from faq.models import Citation, Question, Source
from faq.tests.conftest import check
from faq.tests.test_browser import browser_type_launch_args, pytestmark  # noqa: F401
from faq.workflow import publishing, working_copy


@pytest.fixture
def at_desk(live_server, library, browser):
    """Opens the desk for a person: `at_desk(editor)` is a page of a browser of their own, logged in."""
    contexts, faults = [], []

    def sit_down(user, audited=False, **options):
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        # A script that the content policy stopped says so here.
        if not audited:  # axe would itself add styles
            page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto("/admin/")
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        return page

    yield sit_down
    for context in contexts:
        context.close()
    assert faults == []


def open_question(page, name):
    page.goto("/admin/faq/question/")
    page.get_by_role("link", name=name).click()


def save(page):
    page.get_by_role("button", name="Save and continue editing").first.click()


def told(page):
    return page.locator(".messagelist").inner_text()


def points(number):
    return [str(point) for point in Question.objects.get(number=number).points.all()]


def test_two_people_revise_and_publish(at_desk, editor, publisher, client):
    writing, reading = at_desk(editor), at_desk(publisher)
    open_question(writing, "How long may I keep a book?")
    writing.locator("[name=points-0-text]").fill("Four weeks.")
    save(writing)
    writing.get_by_role("link", name="Submit for review…").click()
    writing.get_by_label("Note for the reviewer").fill("It was three.")
    writing.get_by_role("button", name="Submit").click()
    assert "on their desk" in told(writing)

    reading.goto("/admin/")
    reading.get_by_role("link", name="1 Waiting for my review").click()
    reading.get_by_role("link", name="How long may I keep a book?").click()
    assert "It was three." in reading.locator(".kb-standing").inner_text()
    reading.get_by_role("link", name="Preview").click()
    assert "Draft:" in reading.locator(".banner").inner_text()
    reading.go_back()
    reading.get_by_role("link", name="Publish…").click()
    assert reading.locator("ins").first.inner_text().endswith("Four weeks.")
    reading.get_by_label("What changed").fill("Four weeks instead of three.")
    reading.get_by_role("button", name="Publish now").click()
    assert "Edition 2 is public now." in told(reading)
    html = client.get("/answers/library/2/how-long-may-i-keep-a-book/").content.decode()
    assert "Four weeks." in html
    assert "A second person read it" in client.get("/answers/library/2/history/").content.decode()


def test_a_stale_save_shows_both_texts_and_loses_neither(at_desk, editor, publisher):
    mine, theirs = at_desk(editor), at_desk(publisher)
    for page, words in ((mine, "Two weeks for adults."), (theirs, "Two weeks for children.")):
        open_question(page, "How long may I keep a book?")
        page.locator("[name=points-0-text]").fill(words)
    save(theirs)
    save(mine)
    assert "somebody else saved this question" in mine.locator("main").inner_text()
    assert "children." in mine.locator(".kb-stale del").inner_text()
    assert "adults." in mine.locator(".kb-stale ins").inner_text()
    assert mine.locator("[name=points-0-text]").input_value() == "Two weeks for adults."
    assert points(2) == ["Two weeks for children."]
    save(mine)
    assert points(2) == ["Two weeks for adults."]


def test_points_move_by_keyboard(at_desk, editor):
    page = at_desk(editor)
    open_question(page, "Who may borrow a book?")
    page.locator("#points-1 .kb-move").nth(1).focus()
    assert page.locator(":focus").get_attribute("aria-label") == "Move this point down"
    page.keyboard.press("Enter")
    assert page.locator("[role=status]").inner_text() == "Now at place 3 of 5. Save to keep it."
    page.keyboard.press("Enter")  # the button kept the focus
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # at the end: nothing more happens
    page.locator("#points-0 .kb-move").first.press("Enter")  # nor at the beginning
    save(page)
    assert points(1) == [
        "Anyone who lives in Springfield. You need one of these:", "Day pass, for visitors:",
        "valid until closing time", "one book only", "Library card: free at the desk.",
    ]  # fmt: skip


def test_points_move_by_dragging(at_desk, editor):
    page = at_desk(editor)
    page.set_viewport_size({"width": 1280, "height": 4000})
    open_question(page, "Who may borrow a book?")
    handle, target = page.locator("#points-4 .kb-handle"), page.locator("#points-2")
    handle.hover()
    page.mouse.down()
    box = target.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=10)
    page.mouse.move(box["x"] + 200, target.bounding_box()["y"] + 10, steps=5)
    page.mouse.up()
    save(page)
    assert points(1)[2] == "one book only"


def test_a_point_is_added_with_a_source_that_is_registered_on_the_way(at_desk, editor):
    page = at_desk(editor)
    open_question(page, "Is there a bicycle stand?")
    page.locator(".add-row a").click()
    page.locator("[name=points-1-text]").fill("It has a roof.")
    page.locator("#points-1 summary").click()
    with page.expect_popup() as popup:
        page.locator("#add_id_points-1-citations-0-source").click()
    window = popup.value
    window.get_by_label("Title").fill("Plan of the yard")
    window.get_by_role("button", name="Save", exact=True).click()
    page.locator("#points-1 .select2-selection__rendered", has_text="Plan of the yard").wait_for()
    page.locator("[name=points-1-citations-0-place]").fill("sheet 2")
    save(page)
    point = Question.objects.get(number=3).points.last()
    assert (point.text, str(point.citations.get())) == ("It has a roof.", "Plan of the yard, sheet 2")
    assert page.locator("#points-1 summary").inner_text() == "Sources (1)"
    page.locator("#points-0 summary").click()
    page.locator("#points-0 .select2-selection").click()
    page.locator(".select2-dropdown .select2-search__field").fill("yard")
    page.locator(".select2-results__option", has_text="Plan of the yard").click()
    save(page)
    assert Source.objects.get().citations.count() == 2


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_pages_of_the_desk_have_no_accessibility_fault(at_desk, editor, publisher, width, scheme):
    row = Question.objects.get(number=1)
    check(row, publisher)
    Citation.objects.update(quotation="Anyone may borrow a book.")
    row.points.filter(key=2).update(text="As of my last update, free.")
    working_copy.refresh(row, editor)
    publishing.submit(row, by=editor, note="Please read.")
    page = at_desk(publisher, audited=True, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    base = f"/admin/faq/question/{row.pk}/"
    pages = ["/admin/", "/admin/faq/question/", f"/admin/faq/source/{Source.objects.get().pk}/change/"]
    pages += [f"{base}{act}/" for act in ("change", "history", "compare", "submit", "send-back", "publish", "check",
                                          "discard", "restore", "withdraw", "link")]  # fmt: skip
    faults = {}
    for address in pages:
        page.goto(address)
        faults[address] = accessibility(page)
    page.goto("/admin/faq/question/")
    page.locator("#action-toggle").check()
    page.locator("[name=action]").first.select_option("publish")
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).first.click()
    faults["bulk"] = accessibility(page)
    faults = {address: found for address, found in faults.items() if found}
    assert faults == {}, faults


# In parts of Django's own pages: the search box and the filters of lists, breadcrumbs, and “Show all”.
DJANGOS = {"label-title-only", "target-size", "link-in-text-block"}


def accessibility(page):
    """Known faults on the page, but for those that every page of Django's admin has."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
    return [
        (violation["id"], [re.sub(r"\s+", " ", node["html"])[:160] for node in violation["nodes"]][:3])
        for violation in found.response["violations"]
        if violation["id"] not in DJANGOS
    ]
