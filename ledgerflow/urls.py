"""Everything is the admin; the root leads there."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from apps.backups.views.backups import run_page
from apps.core.views import palette

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/search/", admin.site.admin_view(palette)),  # before Unfold's, which it calls
    path("admin/", admin.site.urls),
    path("restore/<str:token>/", run_page, name="run_page"),
]
handler500 = "apps.core.views.server_error"
