"""The tables of a directory in PostgreSQL, step by step."""

from __future__ import annotations

from typing import Final

from .postgres_schema import Schema
from .tables import Dialect

TABLES: Final = """
CREATE FUNCTION $.iso(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS
    $body$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') $body$;

CREATE TABLE $.organizations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    package text NOT NULL,
    add_ons json NOT NULL,
    session_limit bigint NOT NULL,
    user_limit bigint,
    seat_per text NOT NULL,
    reserved json NOT NULL,
    valid_from timestamptz,
    valid_until timestamptz,
    grace bigint NOT NULL,
    license_issued timestamptz,
    global_permissions json NOT NULL,
    roles json NOT NULL,
    catalog text,
    epoch text,
    revision bigint NOT NULL,
    record_revision bigint NOT NULL,
    events bigint NOT NULL,
    last_hash text NOT NULL
);

CREATE TABLE $.users (
    organization text COLLATE "C" NOT NULL REFERENCES $.organizations (id),
    id text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL,
    email text NOT NULL,
    email_key text COLLATE "C",
    name text NOT NULL,
    type text NOT NULL,
    state text NOT NULL,
    locked boolean NOT NULL,
    dismissed boolean NOT NULL,
    staff text COLLATE "C",
    base json NOT NULL,
    invitation_hash text COLLATE "C",
    invitation_until timestamptz,
    revision bigint NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE UNIQUE INDEX ON $.users (email_key, organization);
CREATE INDEX ON $.users (id);
CREATE INDEX ON $.users (person);
CREATE INDEX ON $.users (invitation_hash);
CREATE INDEX ON $.users (organization, revision);

CREATE TABLE $.active_users (
    organization text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (organization, type)
);
CREATE FUNCTION $.count_active_users() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.state = 'active' AND NOT OLD.locked AND NOT OLD.dismissed THEN
        UPDATE $.active_users SET number = number - 1 WHERE organization = OLD.organization AND type = OLD.type;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.state = 'active' AND NOT NEW.locked AND NOT NEW.dismissed THEN
        INSERT INTO $.active_users AS counted (organization, type, number) VALUES (NEW.organization, NEW.type, 1)
        ON CONFLICT (organization, type) DO UPDATE SET number = counted.number + 1;
    END IF;
    RETURN NULL;
END $body$;
CREATE TRIGGER count_active_users AFTER INSERT OR UPDATE OR DELETE ON $.users
    FOR EACH ROW EXECUTE FUNCTION $.count_active_users();

CREATE TABLE $.user_roles (
    organization text COLLATE "C" NOT NULL,
    "user" text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    until timestamptz,
    PRIMARY KEY (organization, "user", role),
    FOREIGN KEY (organization, "user") REFERENCES $.users (organization, id)
);
CREATE INDEX ON $.user_roles (organization, role, "user");

CREATE TABLE $.user_overrides (
    organization text COLLATE "C" NOT NULL,
    "user" text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    grants json NOT NULL,
    until timestamptz,
    PRIMARY KEY (organization, "user", resource),
    FOREIGN KEY (organization, "user") REFERENCES $.users (organization, id)
);

CREATE TABLE $.former_ids (
    organization text COLLATE "C" NOT NULL REFERENCES $.organizations (id),
    id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (organization, id)
);

CREATE TABLE $.staff (
    organization text COLLATE "C" NOT NULL REFERENCES $.organizations (id),
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    "user" text COLLATE "C",
    active boolean NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX ON $.staff (organization, "user");

CREATE TABLE $.events (
    organization text COLLATE "C" NOT NULL REFERENCES $.organizations (id),
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text,
    kind text NOT NULL,
    "user" text COLLATE "C",
    revision bigint NOT NULL,
    details json,
    salt text NOT NULL,
    seal text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (organization, number)
);
CREATE INDEX ON $.events (organization, "user");

CREATE TABLE $.history (
    organization text COLLATE "C" NOT NULL REFERENCES $.organizations (id),
    id text COLLATE "C" NOT NULL,
    "user" text COLLATE "C",
    client text,
    began timestamptz NOT NULL,
    ended timestamptz,
    how text,
    refused boolean NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX ON $.history (organization, began, id, ended);
CREATE INDEX ON $.history (organization, "user", began, id);
CREATE INDEX ON $.history (organization, ended);
"""

DIRECTORY: Final = Schema("seatperm.directory", (TABLES,))
"""JSON is `json` and not `jsonb`, which would not keep it as it was written: the order of roles, and the details of
an event, which its hash is made from."""

POSTGRES: Final = Dialect(
    organization="""
        SELECT id, package, add_ons::text, session_limit, user_limit, seat_per, reserved::text, $.iso(valid_from),
               $.iso(valid_until), grace, global_permissions::text, roles::text, $.iso(license_issued), catalog, epoch,
               revision
        FROM $.organizations""",
    user="""
        SELECT id, email, name, type, state, locked, base::text, staff, invitation_hash, $.iso(invitation_until),
               dismissed, person,
               (SELECT coalesce(json_object_agg(role, $.iso(until) ORDER BY role)::text, '{}')
                FROM $.user_roles AS held WHERE held.organization = users.organization AND held."user" = users.id),
               (SELECT coalesce(
                    json_agg(json_build_array(resource, grants::text, $.iso(until)) ORDER BY resource)::text, '[]')
                FROM $.user_overrides AS kept
                WHERE kept.organization = users.organization AND kept."user" = users.id),
               organization
        FROM $.users AS users""",
    past='SELECT id, "user", client, $.iso(began), $.iso(ended), how, refused FROM $.history',
    event="""
        SELECT number, $.iso(at), actor, kind, "user", revision, details::text, salt, seal, hash FROM $.events""",
    listed="SELECT json_array_elements_text(?)",
    before="-infinity",
)
"""Times come as text, as Python's have fewer years than PostgreSQL's and no time zone of a connection's."""
