"""Settings for production: defaults, and values that stop the start."""

import importlib.util

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.test import Client, override_settings

from faq.tests.installations import Site
from faq.tests.surfaces import public_addresses
from kb_site import private, static_files
from kb_site import settings as site_settings


def read(monkeypatch, folder, **settings):
    """The settings module, as a process with these environment variables would read it."""
    for name in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "CACHE_URL", "ENVIRONMENT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"VAR_DIR": folder, **settings}.items():
        monkeypatch.setenv(name, str(value))
    spec = importlib.util.spec_from_file_location("kb_site.settings_read", site_settings.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.commands
def test_a_site_that_others_can_reach_passes_every_check_without_a_warning(tmp_path):
    Site(tmp_path, ALLOWED_HOSTS="example.org", PROXY="on").manage("check", "--deploy", "--fail-level", "WARNING")


@pytest.mark.pure
@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DEBUG": "on", "ALLOWED_HOSTS": "example.org"}, "DEBUG=on would show settings and data to all visitors"),
        ({"ALLOWED_HOSTS": "*"}, "Name the hosts that readers use"),
        ({"ALLOWED_HOSTS": "example.org,*.example.net"}, "Name the hosts that readers use"),
        ({"SECRET_KEY": "secret"}, "SECRET_KEY is too short or well known"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 50}, "SECRET_KEY is too short or well known"),
        ({"TLS": "perhaps"}, "is neither on nor off"),
        ({"CDN_SECONDS": "86400"}, "a cache would show a withdrawn answer for that long"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not the address of a PostgreSQL or SQLite database"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT='xml' is neither json nor text."),
        ({"SENTRY_DSN": "https://a-key-in-it"}, "SENTRY_DSN is not the address of a Sentry project."),
        ({"VAR_DIR": "{folder}/file/var"}, "VAR_DIR="),
        ({"ENVIRONMENT_FILE": "{folder}/missing"}, "ENVIRONMENT_FILE="),
    ],
)
def test_unsafe_or_wrong_settings_stop_the_start_and_say_what_to_do(monkeypatch, tmp_path, settings, message):
    (tmp_path / "file").touch()
    settings = {name: value.replace("{folder}", str(tmp_path)) for name, value in settings.items()}
    with pytest.raises(ImproperlyConfigured) as refused:
        read(monkeypatch, tmp_path, **settings)
    assert message in str(refused.value) and "a-key" not in str(refused.value)


@pytest.mark.pure
@pytest.mark.parametrize(
    ("settings", "secure"),
    [
        ({}, False), ({"ALLOWED_HOSTS": "localhost"}, False), ({"ALLOWED_HOSTS": "example.org"}, True),
        ({"ALLOWED_HOSTS": "example.org", "TLS": "off"}, False),
    ],
)  # fmt: skip
def test_cookies_and_addresses_are_secure_as_soon_as_others_can_reach_the_site(monkeypatch, tmp_path, settings, secure):
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS")
    module = read(monkeypatch, tmp_path, **settings)
    assert [bool(getattr(module, name)) for name in names] == [secure] * 4


@pytest.mark.pure
def test_settings_can_come_from_a_file(monkeypatch, tmp_path):
    file = tmp_path / "environment"
    file.write_text('# A comment\nSITE_NAME="Town library"\nDATABASE_URL=sqlite:////tmp/a.sqlite3?timeout=5&cache=1\n')
    monkeypatch.setenv("SITE_NAME", "")  # so that what the file adds to the environment goes with the test
    monkeypatch.delenv("SITE_NAME")
    module = read(monkeypatch, tmp_path, ENVIRONMENT_FILE=file)
    assert (module.SITE_NAME, module.DATABASES["default"]["NAME"]) == ("Town library", "/tmp/a.sqlite3")


@pytest.mark.pure
@pytest.mark.parametrize(
    ("servers", "host", "port"),
    [("a:5432,b:5433", "a,b", "5432,5433"), ("a,b", "a,b", ""), ("a:5432,b:5432", "a,b", "5432,5432")],
)
def test_an_address_of_several_servers_is_passed_on_for_failover(servers, host, port):
    found = site_settings.database(f"postgres://user:pw@{servers}/name?target_session_attrs=read-write")
    assert (found["HOST"], found["PORT"], found["NAME"]) == (host, port, "name")
    assert (found["USER"], found["PASSWORD"]) == ("user", "pw")
    assert found["OPTIONS"]["target_session_attrs"] == "read-write" and found["OPTIONS"]["connect_timeout"] == 2


def test_every_page_forbids_what_it_does_not_need(library, client, admin_client):
    for address in [*public_addresses(), "/admin/", "/admin/login/", "/nowhere/"]:
        for visitor in (client, admin_client):
            headers = visitor.get(address).headers
            assert headers["X-Content-Type-Options"] == "nosniff", address
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "camera=()" in headers["Permissions-Policy"]
            assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_style_sheet_is_not_sent_what_only_a_page_needs(settings):
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    client = Client()
    sheet, picture = client.get("/static/css/site.css"), client.get("/static/favicon.svg")
    for response in (sheet, picture):
        response.getvalue()  # read to its end, a file is closed
    headers = sheet.headers
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Content-Type"].startswith("text/css")
    needless = {"Content-Security-Policy", "Permissions-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy"}
    assert not (needless | {"Access-Control-Allow-Origin"}) & set(headers)
    assert needless <= set(picture.headers)  # which can be opened as a page of its own


def test_a_style_sheet_is_collected_without_what_is_for_people(tmp_path):
    storage = static_files.Storage(location=tmp_path)
    name = storage.save("css/site.css", ContentFile(b"/* Why. */\np { margin: 0; }\n"))
    assert (tmp_path / name).read_bytes() == b"p{margin:0}"


def test_a_forwarded_header_is_believed_only_where_a_proxy_is_configured(library, client):
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert client.get("/", headers={"X-Forwarded-Proto": "https"}).status_code == 301
        assert client.get("/healthz").status_code == 200
        with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
            headers = {"X-Forwarded-Proto": "https", "Host": "testserver"}
            response = client.get("/answers/library/1/who-may-borrow-a-book/", headers=headers)
    assert response.status_code == 200
    assert '<link rel="canonical" href="https://testserver/' in " ".join(response.content.decode().split())


def test_a_host_that_is_not_ours_gets_no_page(library, client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200
    assert "evil.example" not in client.get("/", headers={"X-Forwarded-Host": "evil.example"}).content.decode()


@pytest.mark.commands
def test_a_site_on_sqlite_does_not_load_the_driver_of_postgresql(tmp_path):
    script = "import sys; import kb_site.wsgi, kb_site.urls; print('psycopg' in sys.modules)"
    assert Site(tmp_path, PYTHONWARNINGS="default").manage("shell", "-v0", "-c", script).stdout.split()[-1] == b"False"


# Nobody else on the machine reads the site's files


def open_to_others(folder):
    return {str(path.relative_to(folder)) for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077}


@pytest.mark.commands
def test_everything_below_var_dir_is_for_its_owner_alone_also_what_was_there_before(tmp_path):
    site = Site(tmp_path)
    var = tmp_path / "var"
    (var / "backups").mkdir(parents=True)
    for path in (var / "backups" / "kb-20200101-000000.sqlite3", var / "kb.sqlite3", var / "old"):
        path.touch()
    for path in [var, *var.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (var / "elsewhere").symlink_to(tmp_path)
    tmp_path.chmod(0o755)
    site.manage("prepare")
    site.manage("backup")
    site.manage("backup", var / "named" / "copy.sqlite3")
    site.manage("restore_backup", var / "named" / "copy.sqlite3", "--yes")
    site.manage("shell", "-v0", "-c", "from faq.models import Topic; Topic.objects.create(slug='x', name='X')")
    assert len(list((var / "static").rglob("*.br"))) > 10 and (var / "static" / "staticfiles.json").exists()
    assert open_to_others(var) == {"elsewhere"}  # which is a link
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.commands
def test_static_files_that_are_collected_elsewhere_can_be_read_by_a_server_in_front(tmp_path):
    site = Site(tmp_path, STATIC_ROOT=str(tmp_path / "srv" / "static"))
    site.manage("collectstatic", "--no-input", "-v0")
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (tmp_path / "srv" / "static").rglob("*")}
    assert modes == {(True, 0o755), (False, 0o644)} and (tmp_path / "srv" / "static").stat().st_mode & 0o777 == 0o755
    assert list((tmp_path / "srv" / "static").rglob("*.br")) and open_to_others(tmp_path / "var") == set()


def test_a_folder_that_is_not_the_sites_own_is_left_alone(tmp_path):
    (tmp_path / "file").touch(0o644)
    (tmp_path / "file").chmod(0o644)
    tmp_path.chmod(0o1777)
    private.tighten(tmp_path)
    private.tighten(site_settings.BASE_DIR)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644 and tmp_path.stat().st_mode & 0o7777 == 0o1777
    tmp_path.chmod(0o755)
    private.tighten(tmp_path)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600 and tmp_path.stat().st_mode & 0o7777 == 0o700
