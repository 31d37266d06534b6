"""Pages of a list of any length, without counting it."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """
    Counts to 10,000 and says "10,000+" beyond: a list costs the same at a million rows as at a thousand.

    Further rows are reached by filter, search and date, not by turning pages.
    """

    template_name = "core/pagination_bounded.html"

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @cached_property
    def _counted(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list)
        bounded: Any = self.object_list.order_by().values("pk")[: MOST_COUNTED + 1]
        return bounded.count()

    @property
    def is_bounded(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > MOST_COUNTED

    @property
    def told(self) -> str:
        """How many there are, as people read it."""
        count = number_format(self.count, force_grouping=True)
        return _("%(count)s+") % {"count": count} if self.is_bounded else count
