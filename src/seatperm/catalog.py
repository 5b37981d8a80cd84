"""The catalog: what the vendor ships with the application, as frozen classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

from .errors import CatalogError, UnknownAction, UnknownPackage, UnknownResource, UnknownRole, UnknownScope
from .money import Money

OWN = "own"
ALL = "all"
ORGANIZATION = "organization"
USERS = "organization.users"


# One converter a type: a type checker can't follow a generic one through a field.
def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _caps(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


def _actions(value: Mapping[str, Action]) -> Mapping[str, Action]:
    return MappingProxyType(dict(value))


def _entries(value: Mapping[str, Entry]) -> Mapping[str, Entry]:
    return MappingProxyType(dict(value))


def _packages(value: Mapping[str, Package]) -> Mapping[str, Package]:
    return MappingProxyType(dict(value))


def _role_map(value: Mapping[str, Role]) -> Mapping[str, Role]:
    return MappingProxyType(dict(value))


@frozen
class Action:
    """What may be done with records of a resource.

    Attributes:
        level: the lowest level of the resource's ladder that gives it.
        record: False where it is done without a record, as `create` is; a check that names neither
            record nor scope then asks the narrowest scope.
        requires: actions, each "resource:action", without which this one is not given.
        implies: actions, each "resource:action", that come with this one.
    """

    level: str
    record: bool = True
    requires: tuple[str, ...] = field(default=(), converter=_names)
    implies: tuple[str, ...] = field(default=(), converter=_names)


@frozen
class Ladder:
    """An ordered list of levels, lowest first; the first means no access.

    Attributes:
        levels: the levels' names.
        actions: what each action needs, by its name.
    """

    levels: tuple[str, ...] = field(converter=_names)
    actions: Mapping[str, Action] = field(factory=dict, converter=_actions)

    @property
    def lowest(self) -> str:
        """The level that means no access."""
        return self.levels[0]

    def rank(self, level: str) -> int:
        """Return how high a level stands, from 0."""
        return self.levels.index(level)


@frozen
class Grant:
    """A level and/or named actions, at a scope.

    Attributes:
        level: a level of the resource's ladder; None where only actions are named.
        actions: the named actions, beside the level's.
        scope: the widest scope that it serves; it serves every narrower one too.
    """

    level: str | None = None
    actions: tuple[str, ...] = field(default=(), converter=_names)
    scope: str = ALL

    @classmethod
    def parse(cls, text: str) -> Grant:
        """Read "edit" or "edit:own"."""
        level, _, scope = text.partition(":")
        return cls(level, scope=scope if ":" in text else ALL)

    def written(self) -> str | dict[str, object]:
        """Return the shortest form that a catalog file may hold."""
        if self.level is not None and not self.actions:
            return self.level if self.scope == ALL else f"{self.level}:{self.scope}"
        long: dict[str, object] = {} if self.level is None else {"level": self.level}
        long["actions"] = list(self.actions)
        return long if self.scope == ALL else {**long, "scope": self.scope}


Entry = tuple[Grant, ...]
"""What one role, a base or an override says of one resource: its grants, never merged into one."""

GrantLike = str | Grant | Mapping[str, object] | Iterable["str | Grant | Mapping[str, object]"]
"""The forms in which an entry may be written: "edit:own", {"actions": [...], "scope": "own"}, a Grant, or a list."""


def written_entry(entry: Entry) -> object:
    """Return the shortest form of an entry that a catalog file may hold."""
    return entry[0].written() if len(entry) == 1 else [grant.written() for grant in entry]


@frozen
class Resource:
    """A function or sub-function of the application, named by a dotted path.

    Attributes:
        title: what people call it.
        description: what it is for, in a sentence.
        package: the package that it belongs to; None takes its parent's.
        ladder: its ladder's name; None takes `default`, or `organization` below `organization`.
        actions: actions of its own, by name; one that the ladder has too is told anew for this resource.
    """

    title: str = ""
    description: str = ""
    package: str | None = None
    ladder: str | None = None
    actions: Mapping[str, Action] = field(factory=dict, converter=_actions)


@frozen
class Role:
    """A named set of grants.

    Attributes:
        title: what people call it.
        description: what it is for, in a sentence.
        kind: `licensee` roles serve the application's functions and belong to a package; `system`
            roles serve running the organization and belong to none.
        package: the package that it belongs to.
        everything: True for all that the license contains; its holders' overrides are masked.
        includes: other roles whose grants come with it.
        grants: an entry for each resource.
    """

    title: str = ""
    description: str = ""
    kind: Literal["licensee", "system"] = "licensee"
    package: str | None = None
    everything: bool = False
    includes: tuple[str, ...] = field(default=(), converter=_names)
    grants: Mapping[str, Entry] = field(factory=dict, converter=_entries)


@frozen
class Package:
    """A tier, or an add-on that a license holds beside its tier.

    Attributes:
        title: what people call it.
        description: what it is for, in a sentence.
        price_per_session: what one session of the limit costs a month; None where it costs nothing of its own.
        includes: tiers whose content it contains too; an add-on has none.
        caps: the highest level that it gives on a resource, and below it on the same ladder.
        add_on: True for an add-on.
    """

    title: str = ""
    description: str = ""
    price_per_session: Money | None = None
    includes: tuple[str, ...] = field(default=(), converter=_names)
    caps: Mapping[str, str] = field(factory=dict, converter=_caps)
    add_on: bool = False


@frozen
class UserType:
    """A kind of user.

    Attributes:
        title: what people call it.
        counted: False where its users are not named users of the license.
    """

    title: str = ""
    counted: bool = True


ORGANIZATION_LADDER = Ladder(
    ("none", "view", "edit", "full"),
    {
        "view": Action("view"),
        "create": Action("edit"),
        "edit": Action("edit"),
        "delete": Action("full"),
        "assign": Action("full"),
    },
)

BUILT_IN_RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {
        ORGANIZATION: Resource("Organization", "Running the organization: all that is below."),
        USERS: Resource("Users", "Who may sign in, and what they may do."),
        "organization.staff": Resource("Staff", "People on record, users or not."),
        "organization.license": Resource("License", "What the organization has bought, and what it costs."),
        "organization.sessions": Resource("Sessions", "Who is signed in now."),
        "organization.audit": Resource("Audit trail", "Who changed what, and when."),
    }
)


def _with_built_in_ladder(value: Mapping[str, Ladder]) -> Mapping[str, Ladder]:
    return MappingProxyType({ORGANIZATION: ORGANIZATION_LADDER, **value})


def _with_built_in_resources(value: Mapping[str, Resource]) -> Mapping[str, Resource]:
    return MappingProxyType({**BUILT_IN_RESOURCES, **value})


def _with_app_type(value: Mapping[str, UserType]) -> Mapping[str, UserType]:
    return MappingProxyType({"app": UserType(), **value})


@frozen
class Parts:
    """A catalog's tables, not checked yet; what every catalog has without being written is added.

    Attributes:
        name: the application's name.
        scopes: narrowest first, from `own` to `all`.
        ladders, packages, resources, roles, user_types: by name; resources by their path.
        global_permissions: an organization's first ones, an entry for each resource.
    """

    name: str = ""
    scopes: tuple[str, ...] = field(default=(OWN, ALL), converter=_names)
    ladders: Mapping[str, Ladder] = field(factory=dict, converter=_with_built_in_ladder)
    packages: Mapping[str, Package] = field(factory=dict, converter=_packages)
    resources: Mapping[str, Resource] = field(factory=dict, converter=_with_built_in_resources)
    roles: Mapping[str, Role] = field(factory=dict, converter=_role_map)
    user_types: Mapping[str, UserType] = field(factory=dict, converter=_with_app_type)
    global_permissions: Mapping[str, Entry] = field(factory=dict, converter=_entries)

    def parent(self, resource: str) -> str | None:
        """Return the path above `resource`, None for a top one."""
        return resource.rpartition(".")[0] or None

    def ancestors(self, resource: str) -> Iterator[str]:
        """Iterate over the paths above `resource`, nearest first."""
        above = self.parent(resource)
        while above is not None:
            yield above
            above = self.parent(above)

    def ladder_name(self, resource: str) -> str:
        """Return the name of the ladder that `resource` is on."""
        return self.resources[resource].ladder or (ORGANIZATION if is_organization(resource) else "default")

    def ladder(self, resource: str) -> Ladder:
        """Return the ladder that `resource` is on."""
        return self.ladders[self.ladder_name(resource)]

    def package(self, resource: str) -> str | None:
        """Return the package that `resource` belongs to; None for `organization` and all below it."""
        if is_organization(resource):
            return None
        named = (self.resources[path].package for path in (resource, *self.ancestors(resource)))
        return next((package for package in named if package is not None), None)

    def actions(self, resource: str) -> Mapping[str, Action]:
        """Return every action of `resource` by name: its ladder's, then its own."""
        return {**self.ladder(resource).actions, **self.resources[resource].actions}

    def closure(self, package: str) -> frozenset[str]:
        """Return `package` and every tier that it includes, directly or not."""
        found: set[str] = set()
        waiting = [package]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.packages[name].includes
        return frozenset(found)

    def cap(self, package: str, resource: str) -> str | None:
        """Return the cap that `package` names for `resource`: there, or nearest above it on the same ladder."""
        caps, ladder = self.packages[package].caps, self.ladder_name(resource)
        for path in (resource, *self.ancestors(resource)):
            if path in caps and self.ladder_name(path) == ladder:
                return caps[path]
        return None


@frozen
class Catalog(Parts):
    """A catalog that has been checked: every name in it is known and every rule of the format holds.

    Raises:
        CatalogError: with every problem, each with its path.
    """

    def __attrs_post_init__(self) -> None:
        from .loading.checks import problems  # the check knows the classes above

        found = tuple(problems(self))
        if found:
            raise CatalogError(found)

    @classmethod
    def load(cls, source: str | Path | Mapping[str, object]) -> Catalog:
        """Load a catalog from a `.toml` or `.json` file, or a mapping of the same shape.

        Raises:
            CatalogError: with every problem, each with file, line and path as far as the source has them.
        """
        from .loading.reading import load  # cattrs and the parsers are loaded only when a catalog is

        return load(source)

    def with_roles(self, roles: Mapping[str, Role]) -> Catalog:
        """Return the catalog with these roles, which have been checked already, in place of its own."""
        made = copy(self)
        object.__setattr__(made, "roles", _role_map(roles))
        return made

    def dump(self) -> dict[str, object]:
        """Return the mapping that `load` reads back as an equal catalog; it fits TOML and JSON."""
        from .loading.reading import dump

        return dump(self)

    def __repr__(self) -> str:
        return f"<Catalog {self.name!r}: {len(self.resources)} resources, {len(self.roles)} roles>"

    @property
    def tiers(self) -> Iterator[str]:
        """The packages that are no add-ons, in the order of the file."""
        return (name for name, package in self.packages.items() if not package.add_on)

    def require_resource(self, name: str) -> Resource:
        """Return the resource, or raise `UnknownResource`."""
        try:
            return self.resources[name]
        except (KeyError, TypeError):
            raise UnknownResource(name, self.resources) from None

    def require_action(self, resource: str, action: str) -> Action:
        """Return the action of the resource, or raise `UnknownResource` or `UnknownAction`."""
        self.require_resource(resource)
        actions = self.actions(resource)
        try:
            return actions[action]
        except (KeyError, TypeError):
            raise UnknownAction(action, resource, actions) from None

    def require_scope(self, name: str) -> str:
        """Return the scope, or raise `UnknownScope`."""
        if name not in self.scopes:
            raise UnknownScope(name, self.scopes)
        return name

    def require_role(self, name: str) -> Role:
        """Return the role, or raise `UnknownRole`."""
        try:
            return self.roles[name]
        except (KeyError, TypeError):
            raise UnknownRole(name, self.roles) from None

    def require_package(self, name: str, *, add_on: bool) -> Package:
        """Return the tier (or the add-on), or raise `UnknownPackage`."""
        known = [key for key, package in self.packages.items() if package.add_on == add_on]
        if name not in known:
            where = (", which is a tier" if add_on else ", which is an add-on") if name in list(self.packages) else ""
            raise UnknownPackage(name, known, where=where)
        return self.packages[name]


CatalogLike = str | Path | Mapping[str, object] | Catalog
"""A catalog, its file, or a mapping of the same shape."""


def is_organization(resource: str) -> bool:
    """Tell whether a path is `organization` or below it."""
    return resource == ORGANIZATION or resource.startswith(ORGANIZATION + ".")
