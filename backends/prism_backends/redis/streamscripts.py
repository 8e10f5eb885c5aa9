"""Streams and their groups inside of the server: Lua scripts, each one atomic step.

A stream is a stream of the server's, with the ids that XADD gives: milliseconds and a number within them. What the scripts know
of a group is in five keys: a hash with its ``position`` (the last id that was delivered), a hash of how often each record that is
not done with was delivered, a hash of who holds it (``member.batch``), a sorted set of those that may come again, by the
millisecond from which on, and a sorted set of its members, by the millisecond until which each counts as alive. There an id is
padded, so that the order of texts is that of ids.

A call whose reply was lost may be carried out late, even after what its member called next. So a batch that the member gave up is
remembered, and nothing is delivered in it any more.
"""

from prism_backends.redis.client import script

__all__ = ["ACK", "BEAT", "CREATE", "INFO", "JOIN", "LAST", "LEAVE", "NACK", "READ", "TAKE", "TRIM"]

_LAST_ID = """
local function last_id(stream)
  if redis.call('EXISTS', stream) == 0 then return false end
  local found = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #found, 2 do
    if found[i] == 'last-generated-id' then return found[i + 1] end
  end
end
"""

_GROUP = """
local stream, group, counts, held, again, members = unpack(KEYS)
local horizon, me = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function padded(id)
  local ms, number = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 13 - #ms) .. ms .. '-' .. string.rep('0', 7 - #number) .. number
end

local function plain(id) return (string.gsub(string.gsub(id, '^0+(%d)', '%1'), '%-0+(%d)', '-%1')) end

local function renew(name)
  local till = redis.call('ZSCORE', members, name)
  -- What was renewed a moment ago is left alone: a receive that waits comes by again and again.
  if till and tonumber(till) < now + horizon * 0.7 then redis.call('ZADD', members, now + horizon, name) end
  return till
end

local function free(id, due)
  redis.call('HDEL', held, id)
  redis.call('ZADD', again, due, id)
end

local function held_by(prefix)
  local found, all = {}, redis.call('HGETALL', held)
  for i = 1, #all, 2 do
    if string.sub(all[i + 1], 1, #prefix) == prefix then found[#found + 1] = all[i] end
  end
  return found
end

local function leave(name)
  for _, id in ipairs(held_by(name .. '.')) do free(id, now) end
  redis.call('ZREM', members, name)
  redis.call('HDEL', group, 'given up by ' .. name)
end

for name in string.gmatch(ARGV[3], '%x+') do renew(name) end
"""

JOIN = script(
    _GROUP
    + """
if redis.call('HEXISTS', group, 'position') == 0 then return 0 end
redis.call('ZADD', members, now + horizon, me)
return 1
"""
)

LEAVE = script(_GROUP + "leave(me)")

TAKE = script(
    _GROUP
    + """
local batch, most, given_up = tonumber(ARGV[4]), tonumber(ARGV[5]), 'given up by ' .. me
local position = redis.call('HGET', group, 'position')
if not position then return {-1} end
if not renew(me) then return {-2} end
if batch <= tonumber(redis.call('HGET', group, given_up) or '0') then return {0} end

for lost in string.gmatch(ARGV[6], '%d+') do
  redis.call('HSET', group, given_up, math.max(tonumber(redis.call('HGET', group, given_up) or '0'), tonumber(lost)))
  for _, id in ipairs(held_by(me .. '.' .. lost)) do
    if redis.call('HGET', held, id) == me .. '.' .. lost then
      redis.call('HINCRBY', counts, id, -1)
      free(id, 0)
    end
  end
end

local dead = redis.call('ZRANGEBYSCORE', members, '-inf', now)
if #dead > 0 then
  -- A server that was away heard no signs of life: after its start everybody gets the time to give one. It says when it started
  -- in whole seconds, so one of them may not have passed.
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)'))
  if (up - 1) * 1000 >= horizon then
    for _, name in ipairs(dead) do leave(name) end
  end
end

local out, size = {1}, 0
local function has_room() return #out <= most and size < 8000000 end
local function deliver(id, entry)
  redis.call('HSET', held, id, me .. '.' .. batch)
  out[#out + 1] = {entry[1], redis.call('HINCRBY', counts, id, 1), entry[2]}
  for _, part in ipairs(entry[2]) do size = size + #part end
end
while has_room() do
  local id = redis.call('ZRANGEBYSCORE', again, '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then break end
  redis.call('ZREM', again, id)
  local entry = redis.call('XRANGE', stream, plain(id), plain(id))[1]
  if entry then deliver(id, entry) else redis.call('HDEL', counts, id) end
end
while has_room() do
  local entries = redis.call('XRANGE', stream, '(' .. position, '+', 'COUNT', math.min(most - #out + 1, 16))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    if not has_room() then break end
    deliver(padded(entry[1]), entry)
    position = entry[1]
    redis.call('HSET', group, 'position', position)
  end
end
return out
"""
)
"""Returns -1 if there is no group, -2 if there is no such member, else a 0 or 1 and the deliveries: id, count, fields."""

_ANSWER = """
if not renew(me) then return 0 end
local function answer(first, done)
  for i = first, #ARGV, 2 do
    local id = padded(ARGV[i])
    if redis.call('HGET', held, id) == me .. '.' .. ARGV[i + 1] then done(id) end
  end
end
"""

ACK = script(
    _GROUP
    + _ANSWER
    + """
answer(4, function(id)
  redis.call('HDEL', held, id)
  redis.call('HDEL', counts, id)
end)
return 1
"""
)

NACK = script(
    _GROUP
    + _ANSWER
    + """
local delay = tonumber(ARGV[4])
-- One more, for the present was rounded down.
answer(5, function(id) free(id, delay > 0 and now + delay + 1 or now) end)
return 1
"""
)

INFO = script(
    _GROUP
    + _LAST_ID
    + """
local position, last = redis.call('HGET', group, 'position'), last_id(stream)
if not position then return {} end
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
first = first and first[1] or false
for _, id in ipairs(redis.call('ZRANGE', again, 0, -1)) do  -- what was trimmed does not come again
  if not first or id < padded(first) then
    redis.call('ZREM', again, id)
    redis.call('HDEL', counts, id)
  end
end
return {position, first, last, redis.call('ZCOUNT', members, '(' .. now, '+inf'), redis.call('HLEN', counts)}
"""
)
"""Returns nothing if there is no group, else position, first and last id of the stream, members and pending."""

CREATE = script(
    _LAST_ID
    + """
local position = ARGV[1] == 'latest' and (last_id(KEYS[1]) or '0-0') or ARGV[1]
return redis.call('HSETNX', KEYS[2], 'position', position)
"""
)

LAST = script(_LAST_ID + "return last_id(KEYS[1])")

READ = script(
    _LAST_ID
    + """
local last, most = ARGV[2] ~= '' and ARGV[2] or last_id(KEYS[1]), tonumber(ARGV[3])
if not last then return {} end
local out, size, from = {last}, 0, ARGV[1]
while #out <= most and size < 4000000 do
  local entries = redis.call('XRANGE', KEYS[1], from, last, 'COUNT', math.min(most - #out + 1, 16))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    out[#out + 1] = entry
    from = '(' .. entry[1]
    for _, part in ipairs(entry[2]) do size = size + #part end
  end
end
return out
"""
)
"""Returns the id where the stream ended when its reading began, and some records up to there; nothing of an unknown stream."""

TRIM = script(
    _LAST_ID
    + """
redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[1])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {first and first[1] or false, last_id(KEYS[1])}
"""
)
"""Returns the first id that is kept and the last that was given."""

BEAT = script("""
local time = redis.call('TIME')
for i, members in ipairs(KEYS) do
  redis.call('ZADD', members, 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1], ARGV[i + 1])
end
""")
