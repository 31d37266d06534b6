"""
Who may do what for whom. StaffAccess is the one source; Django's own permission checks read it.

Groups and superusers are practice-wide: the group of auditors sees every client, a superuser does
everything.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, Q, QuerySet

from apps.core.models import Job
from apps.profiles.models import Client, StaffAccess
from apps.profiles.roles import permissions_of, roles_with

EVERY_CLIENT = "profiles.view_every_client"


class StaffAccessBackend(ModelBackend):
    """
    Passwords as Django has them, permissions out of StaffAccess.

    For an object: what the user's role for its client allows. Without one: the union over all
    clients, which is what Django asks before it shows a menu or a list; the list is then scoped.
    """

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous:
            return set()
        practice_wide = super().get_all_permissions(user_obj)
        if obj is None or _client_path(type(obj)) is None or _is_practice_wide(obj):
            roles = set(_roles(user_obj).values())
        else:
            client_id = client_id_of(obj)
            roles = {role for client, role in _roles(user_obj).items() if client == client_id}
            if EVERY_CLIENT not in practice_wide:
                practice_wide = set()
        return practice_wide.union(*(permissions_of(role) for role in roles))


def scope_to_clients(queryset: QuerySet[Any], user: Any, permission: str | None) -> QuerySet[Any]:
    """Narrow rows that belong to a client to the clients the user has; rows of no client stay."""
    path = _client_path(queryset.model)
    if path is None or _has_every_client(user, permission):
        return queryset
    access = StaffAccess.objects.filter(user=user)
    if permission:
        access = access.filter(role__in=roles_with(permission))
    mine = Q(**{f"{path}__in": access.values("client")})
    return queryset.filter(mine | Q(**{path: None})) if queryset.model is Job else queryset.filter(mine)


def client_id_of(obj: Any) -> int | None:
    """Return the client a record, or a record's history, belongs to."""
    path = _client_path(type(obj))
    return getattr(obj, "client_id" if path == "client" else path) if path else None


def _is_practice_wide(obj: Any) -> bool:
    """Return whether a record that may be about a client is about none; anything else has to say which."""
    return isinstance(obj, Job) and obj.client_id is None


def _has_every_client(user: Any, permission: str | None) -> bool:
    if user.is_superuser and user.is_active:
        return True
    wanted = {EVERY_CLIENT, permission} if permission else {EVERY_CLIENT}
    return wanted <= ModelBackend().get_all_permissions(user)


def _client_path(model: type[Model]) -> str | None:
    if model in (Client, Client.history.model):
        return "id"
    for name in ("client", "client_id"):
        try:
            return model._meta.get_field(name).name
        except FieldDoesNotExist:
            continue
    return None


def _roles(user: Any) -> dict[int, str]:
    """Return the user's role for each client; read once a request, as Django reads permissions."""
    if not hasattr(user, "_roles_by_client"):
        user._roles_by_client = dict(StaffAccess.objects.filter(user=user).values_list("client_id", "role"))
    return user._roles_by_client
