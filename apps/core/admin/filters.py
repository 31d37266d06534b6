from collections.abc import Iterator
from typing import Any

from unfold.contrib.filters.admin import AutocompleteSelectFilter

from apps.core.access import visible


class ScopedSelectFilter(AutocompleteSelectFilter):
    """Unfold's filter by a related record, which would name any record whose id is put in the address."""

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        for choice in super().choices(changelist):
            field = choice["form"].fields[self.lookup_kwarg]
            field.queryset = visible(field.queryset.all(), self.request.user)
            yield choice
