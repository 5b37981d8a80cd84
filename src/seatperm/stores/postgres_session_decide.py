"""The SQL of what asks for more than a free seat: a queue, reserved seats, counted users, another limit.

`seat_decide` has the organization's lock alone, so nothing but renewals goes on beside it. It may decide whatever
`seat_take` does, too.
"""

from __future__ import annotations

from typing import Final

from .postgres_session_take import GUARD, PLANS, TIMELINE

_UNCOUNT = """
CREATE OR REPLACE FUNCTION $.seat_uncount(_organization text, _gone jsonb) RETURNS bigint LANGUAGE sql AS $$
    WITH gone AS (
        SELECT role, g.user_id, count(*) AS sessions
            FROM jsonb_to_recordset(_gone) AS g (user_id text, holds text[]), unnest(array_append(g.holds, '')) AS role
            GROUP BY role, g.user_id
    ), last AS (
        DELETE FROM $.seat_tally t USING gone g WHERE t.organization = _organization
            AND t.role = g.role AND t.user_id = g.user_id AND t.sessions <= g.sessions RETURNING t.role
    ), fewer AS (
        UPDATE $.seat_tally t SET sessions = t.sessions - g.sessions FROM gone g WHERE t.organization = _organization
            AND t.role = g.role AND t.user_id = g.user_id AND t.sessions > g.sessions
    )
    SELECT count(*) FROM last WHERE role = ''
$$
"""
# The last session of a user: how many users are out of the count is the answer.

_COUNT = """
CREATE OR REPLACE FUNCTION $.seat_count(_organization text, _user text, _holds text[]) RETURNS bigint LANGUAGE sql AS $$
    WITH one AS (
        INSERT INTO $.seat_tally AS t SELECT _organization, role, _user, 1 FROM unnest(array_append(_holds, '')) AS role
            ON CONFLICT (organization, role, user_id) DO UPDATE SET sessions = t.sessions + 1
            RETURNING t.role, t.sessions
    )
    SELECT count(*) FROM one WHERE role = '' AND sessions = 1
$$
"""

_ROOM = """
CREATE OR REPLACE FUNCTION $.seat_room(
    _limit bigint, _used bigint, _roles text[], _kept bigint[], _inside bigint[], _holds text[]
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT _used + coalesce(sum(greatest(0, kept - inside)), 0) < _limit
        FROM unnest(_roles, _kept, _inside) AS r (role, kept, inside) WHERE NOT role = ANY (_holds)
$$
"""

_ADMITS = """
CREATE OR REPLACE FUNCTION $.seat_admits(
    _organization text, _user text, _holds text[], _limit bigint, _used bigint, _per_user boolean,
    _roles text[], _kept bigint[], _ticket text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _inside bigint[] := '{}';
    _passed text[] := ARRAY[_user];
    _number bigint;
    _place record;
BEGIN
    FOR _i IN 1 .. cardinality(_roles) LOOP
        SELECT coalesce(sum(CASE WHEN _per_user THEN 1 ELSE t.sessions END), 0) INTO _number FROM (
            SELECT sessions FROM $.seat_tally
                WHERE organization = _organization AND role = _roles[_i] LIMIT _kept[_i]) t;
        _inside := _inside || _number;
    END LOOP;
    FOR _place IN SELECT q.ticket, q.user_id, q.holds FROM $.seat_queue q
        WHERE q.organization = _organization ORDER BY q.place LOOP
        EXIT WHEN _place.ticket = _ticket;
        IF _per_user THEN
            CONTINUE WHEN _place.user_id = ANY (_passed) OR EXISTS (SELECT FROM $.seat_tally t
                WHERE t.organization = _organization AND t.role = '' AND t.user_id = _place.user_id);
            _passed := _passed || _place.user_id;
        END IF;
        IF _used >= _limit THEN
            RETURN false;
        END IF;
        IF $.seat_room(_limit, _used, _roles, _kept, _inside, _place.holds) THEN
            _used := _used + 1;
            FOR _i IN 1 .. cardinality(_roles) LOOP
                _inside[_i] := _inside[_i] + (_roles[_i] = ANY (_place.holds))::int;
            END LOOP;
        END IF;
    END LOOP;
    RETURN $.seat_room(_limit, _used, _roles, _kept, _inside, _holds);
END $$
"""
# `seatperm.sessions.admits`, and what it is given, in SQL. More holders than are reserved for make no difference.

_DECIDE = f"""
CREATE OR REPLACE FUNCTION $.seat_decide(
    _organization text, _user text, _client text, _key text, _id text, _token text, _holds text[],
    _lease bigint, _limit bigint, _per_user boolean, _roles text[], _kept bigint[], _ticket text, _patience bigint
) RETURNS text LANGUAGE plpgsql {PLANS} AS $$
DECLARE
    _locked boolean;
    _open boolean;
    _book $.seat_books;
    _before $.seat_books;
    _seat record;
    _now timestamptz;
    _ends timestamptz;
    _gone jsonb;
    _lapsed jsonb;
    _counting boolean;
    _inside boolean := false;
    _admitted boolean;
    _in_use bigint;
    _ahead bigint := 0;
    _place bigint;
    _more bigint;
BEGIN
    {GUARD}
    _locked := pg_advisory_xact_lock(hashtextextended(_organization, 0)) IS NULL;
    SELECT * INTO _book FROM $.seat_books b WHERE b.organization = _organization;
    _now := clock_timestamp();
    _ends := _now + _lease * interval '1 microsecond';
    IF _book.timeline IS DISTINCT FROM {TIMELINE} THEN
        _open := current_setting('seatperm.after_promotion', true) IS NOT DISTINCT FROM 'open';
        UPDATE $.seat_books b SET timeline = {TIMELINE},
            closed_until = CASE WHEN _open THEN b.closed_until ELSE _ends END
            WHERE b.organization = '' AND b.timeline <> {TIMELINE};
    END IF;
    IF _book.organization IS NULL THEN
        INSERT INTO $.seat_books (organization, timeline, closed_until)
            SELECT _organization, b.timeline, b.closed_until FROM $.seat_books b WHERE b.organization = ''
            RETURNING * INTO _book;
        IF NOT FOUND THEN
            RAISE undefined_object USING MESSAGE = 'seat_books lacks the row that new organizations are made after';
        END IF;
        SELECT count(*) INTO _book.seats FROM $.seats s WHERE s.organization = _organization;
    END IF;
    _before := _book;
    IF _book.timeline <> {TIMELINE} THEN
        _book.timeline := {TIMELINE};
        _book.closed_until := CASE WHEN _open THEN _book.closed_until ELSE _ends END;
    END IF;

    SELECT s.ctid AS place, s.id, s.user_id, s.started_at, s.holds, s.ends INTO _seat
        FROM $.seats s WHERE s.organization = _organization AND s.key = _key FOR UPDATE;
    IF _seat.ends > _now THEN
        IF _book.counted AND _seat.holds <> _holds THEN
            _book.users := _book.users + $.seat_count(_organization, _user, _holds) - $.seat_uncount(_organization,
                jsonb_build_array(jsonb_build_object('user_id', _seat.user_id, 'holds', _seat.holds)));
        END IF;
        UPDATE $.seats s SET token_hash = _token, holds = _holds, ends = _ends WHERE s.ctid = _seat.place;
        DELETE FROM $.seat_queue q WHERE q.organization = _organization AND q.ticket = _ticket;
        PERFORM $.seat_keep(_book, _before);
        RETURN json_build_object('id', _seat.id, 'started_at', _seat.started_at, 'expires_at', _ends);
    END IF;
    IF EXISTS (SELECT FROM $.seats s WHERE s.organization = _organization AND s.id = _id
        AND s.ends + interval '0' > _now) THEN
        RETURN json_build_object('taken', true);
    END IF;

    IF _book.closed_until > _now AND NOT (_per_user AND EXISTS (SELECT FROM $.seats s
        WHERE s.organization = _organization AND s.ends > _now AND s.user_id = _user)) THEN
        PERFORM $.seat_keep(_book, _before);
        RETURN json_build_object('closed_for', extract(epoch FROM _book.closed_until - _now));
    END IF;

    WITH over AS MATERIALIZED (
        SELECT s.key, s.id, s.user_id, s.client, s.holds, s.started_at, s.ends AS expires_at FROM $.seats s
            WHERE s.organization = _organization AND s.ends > '-infinity' AND s.ends <= _now FOR UPDATE
    ), freed AS (
        UPDATE $.seats s SET key = NULL, token_hash = NULL, id = NULL, user_id = NULL, client = NULL, holds = '{{}}',
            started_at = NULL, ends = '-infinity'
            FROM over WHERE s.organization = _organization AND s.key = over.key RETURNING over.*
    )
    SELECT jsonb_agg(freed ORDER BY freed.expires_at, freed.id),
        jsonb_agg(freed ORDER BY freed.expires_at, freed.id) FILTER (WHERE freed.id IS NOT NULL)
        INTO _gone, _lapsed FROM freed;
    IF _book.counted AND _gone IS NOT NULL THEN
        _book.sessions := _book.sessions - jsonb_array_length(_gone);
        _book.users := _book.users - $.seat_uncount(_organization, _gone);
    END IF;
    DELETE FROM $.seat_queue q WHERE q.organization = _organization AND q.ends <= _now;

    _counting := _per_user OR cardinality(_roles) > 0
        OR EXISTS (SELECT FROM $.seat_queue q WHERE q.organization = _organization);
    IF _counting <> _book.counted THEN
        DELETE FROM $.seat_tally t WHERE t.organization = _organization;
        _book.counted := _counting;
        IF _counting THEN
            INSERT INTO $.seat_tally SELECT _organization, role, s.user_id, count(*)
                FROM $.seats s, unnest(array_append(s.holds, '')) AS role
                WHERE s.organization = _organization AND s.ends > '-infinity' GROUP BY role, s.user_id;
            SELECT coalesce(sum(t.sessions), 0), count(*) INTO _book.sessions, _book.users
                FROM $.seat_tally t WHERE t.organization = _organization AND t.role = '';
        END IF;
    END IF;
    IF _counting THEN
        _in_use := CASE WHEN _per_user THEN _book.users ELSE _book.sessions END;
        _admitted := _per_user AND EXISTS (SELECT FROM $.seat_tally t
            WHERE t.organization = _organization AND t.role = '' AND t.user_id = _user);
        _admitted := _admitted
            OR $.seat_admits(_organization, _user, _holds, _limit, _in_use, _per_user, _roles, _kept, _ticket);
    ELSE
        IF _book.seats > _limit THEN
            DELETE FROM $.seats s WHERE s.ctid = ANY (ARRAY(SELECT f.ctid FROM $.seats f
                WHERE f.organization = _organization AND f.ends = '-infinity' LIMIT _book.seats - _limit));
            GET DIAGNOSTICS _more = ROW_COUNT;
            _book.seats := _book.seats - _more;
        END IF;
        _in_use := _book.seats;
        _admitted := _book.seats < _limit OR (_book.seats = _limit AND EXISTS (SELECT FROM $.seats s
            WHERE s.organization = _organization AND s.ends = '-infinity'));
    END IF;

    IF _admitted IS NOT TRUE THEN
        IF _ticket IS NOT NULL THEN
            INSERT INTO $.seat_queue AS q (organization, ticket, user_id, holds, ends)
                VALUES (_organization, _ticket, _user, _holds, _now + _patience * interval '1 microsecond')
                ON CONFLICT (organization, ticket) DO UPDATE
                SET user_id = excluded.user_id, holds = excluded.holds, ends = excluded.ends
                RETURNING q.place, q.ends INTO _place, _ends;
            _book.queue_until := greatest(_book.queue_until, _ends);
            SELECT count(*) INTO _ahead FROM $.seat_queue q WHERE q.organization = _organization AND q.place < _place;
        END IF;
        PERFORM $.seat_keep(_book, _before);
        IF _lapsed IS NULL THEN
            PERFORM set_config('synchronous_commit', 'off', true);
        END IF;
        RETURN (SELECT json_build_object('in_use', _in_use, 'next_free_in', extract(epoch FROM min(s.ends) - _now),
            'ahead', _ahead, 'lapsed', _lapsed, 'counted', _counting)
            FROM $.seats s WHERE s.organization = _organization AND s.ends > _now);
    END IF;

    DELETE FROM $.seat_queue q WHERE q.organization = _organization AND q.ticket = _ticket;
    SELECT s.ctid AS place INTO _seat FROM $.seats s
        WHERE s.organization = _organization AND s.ends = '-infinity' LIMIT 1;
    IF NOT FOUND THEN
        _more := CASE WHEN _counting THEN 1 ELSE least(_limit - _book.seats, greatest(8, _book.seats / 4), 500) END;
        INSERT INTO $.seats (organization) SELECT _organization FROM generate_series(1, _more);
        _book.seats := _book.seats + _more;
        SELECT s.ctid AS place INTO _seat FROM $.seats s
            WHERE s.organization = _organization AND s.ends = '-infinity' LIMIT 1;
    END IF;
    UPDATE $.seats s SET key = _key, token_hash = _token, id = _id, user_id = _user, client = _client,
        holds = _holds, started_at = _now, ends = _ends WHERE s.ctid = _seat.place;
    IF _counting THEN
        _book.sessions := _book.sessions + 1;
        _book.users := _book.users + $.seat_count(_organization, _user, _holds);
    END IF;
    PERFORM $.seat_keep(_book, _before);
    RETURN json_build_object('id', _id, 'started_at', _now, 'expires_at', _ends, 'lapsed', _lapsed,
        'counted', _counting);
END $$
"""

_KEEP = """
CREATE OR REPLACE FUNCTION $.seat_keep(_book $.seat_books, _before $.seat_books) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM $.seat_queue q WHERE q.organization = _book.organization) THEN
        _book.queue_until := '-infinity';
    END IF;
    IF _book <> _before THEN
        UPDATE $.seat_books b SET seats = _book.seats, counted = _book.counted, sessions = _book.sessions,
            users = _book.users, queue_until = _book.queue_until, timeline = _book.timeline,
            closed_until = _book.closed_until WHERE b.organization = _book.organization;
    END IF;
END $$
"""

DECIDE: Final = (_UNCOUNT, _COUNT, _ROOM, _ADMITS, _KEEP, _DECIDE)
"""The statements that make `seat_decide` and what it calls."""
