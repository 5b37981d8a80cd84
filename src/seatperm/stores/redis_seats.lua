-- One organization's seats. What each verb promises is said in Python: seatperm.stores.SessionStore.
--
-- KEYS: the organization's, all in one slot.
--   seats     a hash. s:<session> = {user, client, holds, token, started, number}, t:<token> = session,
--             c:<length of user>:<user><client> = session, u:<user> = how many sessions,
--             rs:<role>, ru:<role> = how many sessions, users hold a seat that counts for the role,
--             rc:<length of role>:<role><user> = how many of the user's, w:<ticket> = {user, holds},
--             sessions, users, number = counts; epoch, run, shut = whose memory this is, until when nobody comes in,
--             untold = sessions that ran out and that no answer has named yet
--   ends      sessions by the end of their leases
--   queue     tickets by place
--   patience  tickets by the end of their places
--   kept      what this very call answered, for when it is sent again because the answer was lost
-- A client is '' or '+' and its name, and so are a ticket and the token that `release` is given; holds and reserved are '' or JSON. Times are microseconds.
-- Answers are JSON, which the driver reads as one text, and in them moments are texts, for all their digits.

local seats, ends, queue, patience, kept = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local verb, run, again = ARGV[1], ARGV[2], ARGV[3] == '1'
local call = redis.call
local KEEP_ANSWERS = 60000

local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local function text(moment)
  return string.format('%.0f', moment)
end

local function client_field(user, client)
  return 'c:' .. #user .. ':' .. user .. client
end

local function count(field, by)
  local left = call('HINCRBY', seats, field, by)
  if left == 0 then
    call('HDEL', seats, field)
  end
  return left
end

-- Count a session in, or out, for each of the roles that it holds.
local function tally(user, holds, by)
  if holds == '' then
    return
  end
  for _, role in ipairs(cjson.decode(holds)) do
    count('rs:' .. role, by)
    local left = count('rc:' .. #role .. ':' .. role .. user, by)
    if (by == 1 and left == 1) or (by == -1 and left == 0) then
      count('ru:' .. role, by)
    end
  end
end

-- An organization that nobody asks for lives as long as `keep` milliseconds, twice as long at most.
local function stay(key, keep)
  if call('PTTL', key) < keep / 2 then
    call('PEXPIRE', key, keep)
  end
end

local function session(id)
  local packed = call('HGET', seats, 's:' .. id)
  return packed and cmsgpack.unpack(packed)
end

local function remove(id, of)
  call('ZREM', ends, id)
  call('HDEL', seats, 's:' .. id, 't:' .. of[4])
  if of[2] ~= '' then
    call('HDEL', seats, client_field(of[1], of[2]))
  end
  count('sessions', -1)
  if count('u:' .. of[1], -1) == 0 then
    count('users', -1)
  end
  tally(of[1], of[3], -1)
end

local function put(id, of)
  call('HSET', seats, 's:' .. id, cmsgpack.pack(of), 't:' .. of[4], id)
end

local function retoken(id, of, token)
  if of[4] ~= token then
    call('HDEL', seats, 't:' .. of[4])
    of[4] = token
    put(id, of)
  end
end

local function live_end(id)
  local score = id and call('ZSCORE', ends, id)
  local at = score and tonumber(score)
  return at and at > now and at or nil
end

local function drop_waiter(ticket)
  call('ZREM', queue, ticket)
  call('ZREM', patience, ticket)
  call('HDEL', seats, 'w:' .. ticket)
end

-- End what has run out by now, and return it; what was returned by this call before, too.
local function lapse(first)
  local gone = {}
  if again then
    local before = call('GET', kept)
    gone = before and cmsgpack.unpack(before) or gone
  end
  while first and first <= now do
    local due = call('ZRANGEBYSCORE', ends, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 500)
    for at = 1, #due, 2 do
      local id, of = due[at], session(due[at])
      if of then
        remove(id, of)
        gone[#gone + 1] = {id, of[1], of[2], text(of[5]), text(due[at + 1]), 0}
      else
        call('ZREM', ends, id)
      end
    end
    local next = call('ZRANGE', ends, 0, 0, 'WITHSCORES')
    first = next[2] and tonumber(next[2])
  end
  if #gone > 0 then
    call('SET', kept, cmsgpack.pack(gone), 'PX', KEEP_ANSWERS)
  end
  return gone, first
end

local function server_run()
  if run == '' then
    run = string.match(call('INFO', 'server'), '\nrun_id:(%w+)') or ''
  end
  return run
end

local verbs = {}

function verbs.acquire(named, terms, user, client, id, token, ticket, reserved, holds)
  local mode, keep, lease, limit, per_user, wait = string.match(terms, '(%a+) (%d+) (%d+) (-?%d+) (%d) (%d+)')
  keep, lease, limit, per_user = tonumber(keep), tonumber(lease), tonumber(limit), per_user == '1'
  local field = client ~= '' and client_field(user, client) or 's:' .. id

  local first = call('ZRANGE', ends, 0, 0, 'WITHSCORES')
  local gone
  gone, first = lapse(first[2] and tonumber(first[2]))
  local queued = call('EXISTS', queue) == 1
  if queued then
    for _, dead in ipairs(call('ZRANGEBYSCORE', patience, '-inf', now)) do
      drop_waiter(dead)
    end
    if call('ZCARD', patience) ~= call('ZCARD', queue) then
      call('DEL', queue, patience)
      queued = false
    end
  end

  local is = call('HMGET', seats, 'sessions', 'users', 'number', 'epoch', 'run', 'shut', field, 's:' .. id, 'u:' .. user, 'untold')
  local sessions, users, number = tonumber(is[1] or 0), tonumber(is[2] or 0), tonumber(is[3] or 0)
  local epoch, shut, held, taken, own = is[4], tonumber(is[6] or 0), is[7], is[8], tonumber(is[9] or 0)

  -- Rule 8: what an answer that could not name it left to the next.
  if is[10] then
    local before = cmsgpack.unpack(is[10])
    for _, each in ipairs(gone) do
      before[#before + 1] = each
    end
    gone = before
    call('HDEL', seats, 'untold')
    call('SET', kept, cmsgpack.pack(gone), 'PX', KEEP_ANSWERS)
  end
  local function naming_none(answer)
    if #gone > 0 then
      call('HSET', seats, 'untold', cmsgpack.pack(gone))
      call('DEL', kept)
    end
    return answer
  end

  -- Rule 9. Where one of the keys is gone alone, the server threw it away: then all is lost.
  local torn = call('ZCARD', ends) ~= sessions
  local lost = torn or (named ~= '' and named ~= epoch)
  local anew = mode == 'wait' and (epoch or named ~= '') and server_run() ~= is[5]
  if torn then
    call('DEL', seats, ends, queue, patience)
    sessions, users, held, taken, own, first, queued = 0, 0, false, false, 0, nil, false
  end
  if lost or anew then
    if mode == 'wait' or (lost and mode == 'check') then
      shut = math.max(shut, now + lease)
    end
    call('HSET', seats, 'epoch', named ~= '' and named or epoch or '', 'run', run, 'shut', shut, 'number', number)
    stay(seats, keep)
  end

  -- The same client's session, or that of the same request sent before, whatever its token is by now.
  local of
  if held then
    held = client ~= '' and held or id
    of = session(held)
  end
  if (taken and not of) or (of and (of[1] ~= user or of[2] ~= client)) then
    return naming_none('[3]')
  end
  if not of then
    local in_use = per_user and users or sessions
    local full = in_use
    local admitted = per_user and own > 0
    if not admitted then
      local kept_back = reserved ~= '' and cjson.decode(reserved) or {}
      local inside = {}
      for role in pairs(kept_back) do
        inside[role] = tonumber(call('HGET', seats, (per_user and 'ru:' or 'rs:') .. role) or 0)
      end
      local function room(of_roles)
        local back = 0
        for role, seats_kept in pairs(kept_back) do
          if not of_roles[role] then
            back = back + math.max(0, seats_kept - inside[role])
          end
        end
        return in_use + back < limit
      end
      local function roles(text)
        local set = {}
        for _, role in ipairs(text ~= '' and cjson.decode(text) or {}) do
          set[role] = true
        end
        return set
      end
      -- Those who wait in front are counted in where there is a seat for them, and passed over where not. Where
      -- users share a seat, a user's second place takes none, nor does one of who asks.
      local from, passed, reached = 0, {[user] = true}, not queued
      while not reached and in_use < limit do
        local tickets = call('ZRANGE', queue, from, from + 49)
        from, reached = from + 50, #tickets < 50
        for _, other in ipairs(tickets) do
          if other == ticket then
            reached = true
            break
          end
          local waiter = cmsgpack.unpack(call('HGET', seats, 'w:' .. other))
          local counts = not per_user
          if per_user and not passed[waiter[1]] then
            passed[waiter[1]] = true
            counts = call('HEXISTS', seats, 'u:' .. waiter[1]) == 0
          end
          if counts and in_use < limit then
            local theirs = roles(waiter[2])
            if room(theirs) then
              in_use = in_use + 1
              for role in pairs(theirs) do
                inside[role] = (inside[role] or 0) + 1
              end
            end
          end
        end
      end
      admitted = room(roles(holds))
      if admitted and now < shut and mode ~= 'admit' then
        return naming_none(cjson.encode({2, text(shut)}))
      end
    end
    if not admitted then
      local ahead = 0
      if ticket ~= '' then
        if not call('ZSCORE', queue, ticket) then
          call('HSET', seats, 'number', number + 1)
          call('ZADD', queue, number + 1, ticket)
        end
        call('HSET', seats, 'w:' .. ticket, cmsgpack.pack({user, holds}))
        call('ZADD', patience, now + tonumber(wait), ticket)
        stay(seats, keep)
        stay(queue, keep)
        stay(patience, keep)
        ahead = call('ZRANK', queue, ticket)
      end
      return cjson.encode({0, full, first and first - now or -1, ahead, gone})
    end
  end

  if ticket ~= '' and queued then
    drop_waiter(ticket)
  end
  local last = now + lease
  if of then
    id = held
    if of[3] ~= holds then
      tally(user, of[3], -1)
      tally(user, holds, 1)
      of[3] = holds
      put(id, of)
    end
    retoken(id, of, token)
  else
    of = {user, client, holds, token, now, number + 1}
    local counts = {'sessions', sessions + 1, 'number', number + 1, 'u:' .. user, own + 1}
    if own == 0 then
      counts[7], counts[8] = 'users', users + 1
    end
    if client ~= '' then
      counts[#counts + 1], counts[#counts + 2] = field, id
    end
    call('HSET', seats, 's:' .. id, cmsgpack.pack(of), 't:' .. token, id, unpack(counts))
    tally(user, holds, 1)
  end
  call('ZADD', ends, last, id)
  stay(seats, keep)
  stay(ends, keep)
  return cjson.encode({1, id, text(of[5]), text(last), lease, gone})
end

function verbs.find(token)
  local id = call('HGET', seats, 't:' .. token)
  local last = live_end(id)
  local of = last and session(id)
  return of and cjson.encode({id, of[1], of[2], text(of[5]), text(last), last - now})
end

function verbs.renew(token, fresh, lease, keep)
  local id = call('HGET', seats, 't:' .. token)
  if not id and fresh ~= '' then
    id = call('HGET', seats, 't:' .. fresh)
  end
  local of = live_end(id) and session(id)
  if not of then
    return false
  end
  if fresh ~= '' then
    retoken(id, of, fresh)
  end
  local last = now + tonumber(lease)
  call('ZADD', ends, last, id)
  stay(seats, tonumber(keep))
  stay(ends, tonumber(keep))
  return cjson.encode({id, of[1], of[2], text(of[5]), text(last), last - now})
end

function verbs.release(id, token)
  if again and call('GET', kept) then
    return 'true'
  end
  local of = live_end(id) and session(id)
  if not of or (token ~= '' and token ~= '+' .. of[4]) then
    return 'false'
  end
  remove(id, of)
  call('SET', kept, 'released', 'PX', KEEP_ANSWERS)
  return 'true'
end

function verbs.leave(ticket)
  drop_waiter(ticket)
  return 'true'
end

function verbs.epoch(mode, keep, fresh)
  local epoch = call('HGET', seats, 'epoch')
  if not epoch or epoch == '' then
    epoch = fresh
    call('HSET', seats, 'epoch', epoch, 'run', mode == 'wait' and server_run() or '')
    stay(seats, tonumber(keep))
  end
  return cjson.encode(epoch)
end

function verbs.live(cursor)
  local page = call('HSCAN', seats, cursor, 'MATCH', 's:*', 'COUNT', 2000)
  local found = {page[1]}
  for at = 1, #page[2], 2 do
    local id = string.sub(page[2][at], 3)
    local last = live_end(id)
    if last then
      local of = cmsgpack.unpack(page[2][at + 1])
      found[#found + 1] = {id, of[1], of[2], text(of[5]), text(last), last - now, of[6]}
    end
  end
  return cjson.encode(found)
end

return verbs[verb](unpack(ARGV, 4))
