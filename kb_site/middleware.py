"""Middleware of this site."""

from csp.constants import SELF
from django.urls import reverse


def admin_content_policy(get_response):
    """Let the admin's own pages run the admin's own scripts; public pages run none (see CONTENT_SECURITY_POLICY)."""

    def middleware(request):
        response = get_response(request)
        if request.path.startswith(reverse("admin:index")) and not getattr(response, "public_page", False):
            response._csp_update = {"script-src": [SELF], "img-src": [SELF, "data:"], "connect-src": [SELF]}
        return response

    return middleware
