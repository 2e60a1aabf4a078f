"""The headers of every kind of answer: what is missing or says too much."""

import re

NAMES = [
    "Content-Security-Policy", "Permissions-Policy", "Cross-Origin-Opener-Policy", "X-Content-Type-Options", "X-Frame-Options",
    "Referrer-Policy", "Strict-Transport-Security",
]  # fmt: skip


def faults(path, status, headers, tls, staff=False):
    """What is wrong with the headers (a list of pairs) of one answer, in words."""
    values = {name.lower(): value for name, value in headers}
    policy = values.get("content-security-policy", "")
    admin = path.startswith("/admin/")
    expected = {"x-content-type-options": r"nosniff$", "referrer-policy": r"(same-origin|no-referrer)$"}
    part_of_a_page = re.match(r"text/(css|javascript)\b", values.get("content-type", ""))
    if not part_of_a_page:
        expected |= {
            "permissions-policy": r".*camera=\(\)",
            "cross-origin-opener-policy": r"same-origin$",
            "x-frame-options": r"DENY$",
            "content-security-policy": r".*default-src 'none'",
        }
    if tls:
        expected["strict-transport-security"] = r"max-age=31536000"
    yield from (
        f"{name} is {values.get(name)!r}"
        for name, wanted in expected.items()
        if not re.match(wanted, values.get(name, ""))
    )
    for word in ("unsafe", "*", "http:", "https:", *(() if admin else ("script-src", "data:"))):
        if word in policy:
            yield f"the content policy has {word!r}"
    for directive in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        if directive not in policy and not part_of_a_page:
            yield f"the content policy has no {directive!r}"
    kept = values.get("cache-control", "")
    if admin and (staff or status == 200) and not re.search(r"private|no-store", kept):
        yield f"an admin page that a cache may keep: {kept!r}"
    for name in ("server", "x-powered-by", "via"):
        if re.search(r"\d|python|django", values.get(name, ""), re.IGNORECASE):
            yield f"{name}: {values[name]}"
    # (Taking a broken one away is no cookie.)
    cookies = [
        value for name, value in headers if name.lower() == "set-cookie" and "expires=Thu, 01 Jan 1970" not in value
    ]
    if cookies and not admin:
        yield "a cookie"
    for cookie in cookies:
        wanted = ["HttpOnly", "SameSite=Lax", *(["Secure"] if tls else [])]
        yield from (f"a cookie without {part}" for part in wanted if part.lower() not in cookie.lower())
