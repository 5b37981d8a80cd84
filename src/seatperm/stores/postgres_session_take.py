"""The SQL of what is done all day: taking a free seat, renewing it, giving it back.

How time and locks go together (the locks end with the transaction, all of them):

- `seat_take` and `seat_release` share the organization's lock with each other; `seat_decide` has it alone. So no
  limit, count or queue changes while a seat is taken. Who asks with the same key comes one after the other.
- Each statement of a function sees what was committed when that statement begins, so what comes after a lock sees
  all that its last owner did. That is so at READ COMMITTED only, and others are refused.
- Time is read once, by the server's clock, after these locks and before the row's. A row is waited for only by the
  same key's own calls. It may be a moment old then, never early: what is over at an older time is over now, and a
  lease that runs from an older time, which is after the call began, ends no later for it than for its holder.
- A seat is one row. Whoever changes it has the row's lock, and looks again at its latest version: a renewal that was
  faster is respected, one that was slower finds another's token. So two never hold it.
- SKIP LOCKED passes over a row that another is taking at this very moment. If that other one fails to commit (the
  server stops, its disk is full), the refusal came early, by the time of one commit. A free row that nobody is
  taking is never passed over.
"""

from __future__ import annotations

from typing import Final

GUARD: Final = """
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE =
            'seats are decided at READ COMMITTED; set default_transaction_isolation back to it for this role';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
"""
"""What goes ahead of every grant: what was answered must be on the disk, whatever the server's setting."""

PLANS: Final = "SET enable_seqscan = off"
"""How functions are planned: a plan is kept, and one made while there were few rows must serve when there are many.

For the same reason no `ends` may tempt the planner away from a token's own index: see the intervals of nothing.
"""

TIMELINE: Final = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
"""Another one after each promotion of a standby, and after each recovery to a point in time."""

TAKE: Final = f"""
CREATE OR REPLACE FUNCTION $.seat_take(
    _organization text, _user text, _client text, _key text, _id text, _token text, _holds text[],
    _lease bigint, _limit bigint, _waits boolean
) RETURNS text LANGUAGE plpgsql {PLANS} AS $$
DECLARE
    _locked boolean;
    _book record;
    _seat record;
    _now timestamptz;
    _ends timestamptz;
    _lapsed json;
BEGIN
    {GUARD}
    _locked := pg_advisory_xact_lock_shared(hashtextextended(_organization, 0)) IS NULL;
    _locked := pg_advisory_xact_lock(hashtextextended(_key, 1)) IS NULL;
    SELECT b.seats, b.counted, b.queue_until, b.timeline, b.closed_until INTO _book
        FROM $.seat_books b WHERE b.organization = _organization;
    _now := clock_timestamp();
    _ends := _now + _lease * interval '1 microsecond';
    IF _book.seats IS NULL OR _book.counted OR _book.seats > _limit OR _book.queue_until > _now
        OR _book.closed_until > _now OR _book.timeline <> {TIMELINE} THEN
        RETURN NULL;
    END IF;
    SELECT s.ctid AS place, s.id, s.user_id, s.client, s.started_at, s.ends INTO _seat
        FROM $.seats s WHERE s.organization = _organization AND s.key = _key FOR UPDATE;
    IF _seat.ends > _now THEN
        UPDATE $.seats s SET token_hash = _token, holds = _holds, ends = _ends WHERE s.ctid = _seat.place;
        RETURN json_build_object('id', _seat.id, 'started_at', _seat.started_at, 'expires_at', _ends);
    END IF;
    IF _seat.ends IS NULL THEN
        SELECT s.ctid AS place, s.id, s.user_id, s.client, s.started_at, s.ends INTO _seat
            FROM $.seats s WHERE s.organization = _organization AND s.ends <= _now
            ORDER BY s.ends DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF _seat.ends IS NULL THEN
        IF _book.seats < _limit OR _waits THEN
            RETURN NULL;
        END IF;
        RETURN (SELECT json_build_object(
            'in_use', _book.seats, 'next_free_in', extract(epoch FROM min(s.ends) - _now))
            FROM $.seats s WHERE s.organization = _organization AND s.ends > _now
            HAVING NOT EXISTS (SELECT FROM $.seats t WHERE t.organization = _organization AND t.id = _id));
    END IF;
    IF _seat.id IS NOT NULL THEN
        _lapsed := json_build_array(json_build_object('id', _seat.id, 'user_id', _seat.user_id,
            'client', _seat.client, 'started_at', _seat.started_at, 'expires_at', _seat.ends));
    END IF;
    UPDATE $.seats s SET key = _key, token_hash = _token, id = _id, user_id = _user, client = _client,
        holds = _holds, started_at = _now, ends = _ends WHERE s.ctid = _seat.place;
    RETURN json_build_object('id', _id, 'started_at', _now, 'expires_at', _ends, 'lapsed', _lapsed);
END $$
"""
"""Takes a free seat, or keeps the one that the key has; NULL where `seat_decide` must be asked."""

RENEW: Final = f"""
CREATE OR REPLACE FUNCTION $.seat_renew(_organization text, _token text, _lease bigint, _fresh text)
RETURNS text LANGUAGE plpgsql {PLANS} AS $$
DECLARE
    _known text;
    _answer json;
    _now timestamptz := clock_timestamp();
    _ends timestamptz := _now + _lease * interval '1 microsecond';
BEGIN
    {GUARD}
    FOREACH _known IN ARRAY ARRAY[_token, _fresh] LOOP
        UPDATE $.seats s SET token_hash = coalesce(_fresh, _token), ends = _ends
            WHERE s.organization = _organization AND s.token_hash = _known AND s.ends + interval '0' > _now
            RETURNING json_build_object('id', s.id, 'user_id', s.user_id, 'client', s.client,
                'started_at', s.started_at, 'expires_at', s.ends) INTO _answer;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN _answer;
END $$
"""
"""Lets a live lease run from now, by the token or, of a call sent again, by the fresh one; else NULL."""

_FREE = """
        UPDATE $.seats s SET token_hash = NULL, id = NULL, client = NULL, started_at = NULL,
            key = CASE WHEN _counted THEN s.key END, user_id = CASE WHEN _counted THEN s.user_id END,
            holds = CASE WHEN _counted THEN s.holds ELSE '{}' END,
            ends = CASE WHEN _counted THEN timestamptz 'epoch' ELSE '-infinity' END
            WHERE s.organization = _organization AND s.id = _id AND s.ends + interval '0' > _now"""

RELEASE: Final = f"""
CREATE OR REPLACE FUNCTION $.seat_release(_organization text, _id text, _token text)
RETURNS boolean LANGUAGE plpgsql {PLANS} AS $$
DECLARE
    _locked boolean;
    _counted boolean;
    _now timestamptz;
BEGIN
    {GUARD}
    _locked := pg_advisory_xact_lock_shared(hashtextextended(_organization, 0)) IS NULL;
    SELECT b.counted INTO _counted FROM $.seat_books b WHERE b.organization = _organization;
    _now := clock_timestamp();
    IF _token IS NULL THEN
        {_FREE};
    ELSE
        {_FREE} AND s.token_hash = _token;
    END IF;
    RETURN FOUND;
END $$
"""
"""Ends a live session; where users are counted the row keeps what `seat_decide` needs to count it out."""
