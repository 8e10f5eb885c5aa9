"""Groups of a stream inside of the server: Lua scripts, each one atomic step; `streamlogscripts` has what a stream is.

What the scripts know of a group is in five keys: a hash with its ``position`` (the last id that was delivered) and, for each
further partition, ``position/<partition>``; a hash of how often each record that is not done with was delivered, a hash of who
holds it (``member.batch``), a sorted set of those that may come again, by the millisecond from which on, and a sorted set of its
members, by the millisecond until which each counts as alive. There a record is named by its id, padded, so that the order of texts
is that of ids, and by its partition behind a slash, if that is not 0.

A call whose reply was lost may be carried out late, even after what its member called next. So a batch that the member gave up is
remembered, and nothing is delivered in it any more.
"""

from prism_backends.redis.client import script
from prism_backends.redis.streamlogscripts import LOG

__all__ = ["ACK", "BEAT", "CREATE", "INFO", "JOIN", "LEAVE", "NACK", "SEEK", "TAKE"]

_POSITIONS = """
local function position_of(partition) return partition == 0 and 'position' or 'position/' .. partition end
"""

_GROUP = (
    LOG
    + _POSITIONS
    + """
local group, counts, held, again, members = unpack(KEYS, 4)
local horizon, me = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function padded(id)
  local ms, number, rest = string.match(id, '^(%d+)%-(%d+)(.*)$')
  return string.rep('0', 13 - #ms) .. ms .. '-' .. string.rep('0', 7 - #number) .. number .. rest
end

local function found(name)  -- the entry, if it is kept, and its partition
  local ms, number, partition = string.match(name, '^0*(%d+)%-0*(%d+)/?(%d*)$')
  partition = tonumber(partition) or 0
  local id = ms .. '-' .. number
  return redis.call('XRANGE', of(partition), id, id)[1], partition
end

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

local function bury()  -- the dead leave; false if it is too early to know who is
  local dead = redis.call('ZRANGEBYSCORE', members, '-inf', now)
  if #dead == 0 then return true end
  -- A server that was away heard no signs of life: after its start everybody gets the time to give one. It says when it started
  -- in whole seconds, so one of them may not have passed.
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)'))
  if (up - 1) * 1000 < horizon then return false end
  for _, name in ipairs(dead) do leave(name) end
  return true
end

for name in string.gmatch(ARGV[3], '%x+') do renew(name) end
"""
)

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
if redis.call('HEXISTS', group, 'position') == 0 then return {-1} end
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

bury()
enforce(0, partitions - 1)
local out, size = {1}, 0
local function has_room() return #out <= most and size < 8000000 end
local function deliver(name, entry, partition)
  redis.call('HSET', held, name, me .. '.' .. batch)
  out[#out + 1] = {entry[1], redis.call('HINCRBY', counts, name, 1), entry[2], partition}
  for _, part in ipairs(entry[2]) do size = size + #part end
end
while has_room() do
  local name = redis.call('ZRANGEBYSCORE', again, '-inf', now, 'LIMIT', 0, 1)[1]
  if not name then break end
  redis.call('ZREM', again, name)
  local entry, partition = found(name)
  if entry then deliver(name, entry, partition) else redis.call('HDEL', counts, name) end
end

local function go_on(partition)
  local position = redis.call('HGET', group, position_of(partition)) or '0-0'
  while has_room() do
    local entries = redis.call('XRANGE', of(partition), '(' .. position, '+', 'COUNT', math.min(most - #out + 1, 16))
    if #entries == 0 then return end
    for _, entry in ipairs(entries) do
      if not has_room() then return end
      position = entry[1]
      deliver(padded(position) .. (partition > 0 and '/' .. partition or ''), entry, partition)
      redis.call('HSET', group, position_of(partition), position)
      if partitions > 1 then redis.call('HSET', group, 'turn', partition + 1) end
    end
  end
end
local turn = partitions > 1 and redis.call('HGET', group, 'turn') or 0
for i = 0, partitions - 1 do go_on((turn + i) % partitions) end
return out
"""
)
"""Returns -1 if there is no group, -2 if there is no such member, else a 0 or 1 and the deliveries.

Each of those is an id, a count, the fields and a partition."""

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
    + """
local position = redis.call('HGET', group, 'position')
if not position then return {} end
enforce(0, partitions - 1)
for _, name in ipairs(redis.call('ZRANGE', again, 0, -1)) do  -- what is gone does not come again
  if not found(name) then
    redis.call('ZREM', again, name)
    redis.call('HDEL', counts, name)
  end
end
local first, alive = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1], redis.call('ZCOUNT', members, '(' .. now, '+inf')
return {partitions, position, first and first[1] or false, last_id(stream), alive, redis.call('HLEN', counts)}
"""
)
"""Returns nothing if there is no group, else partitions, position, first and last id of partition 0, members and pending."""

CREATE = script(
    LOG
    + _POSITIONS
    + """
if ARGV[2] == '1' and partitions > 1 then return partitions end
local group, latest = KEYS[4], ARGV[1] == 'latest'
if redis.call('HSETNX', group, 'position', latest and (last_id(stream) or '0-0') or ARGV[1]) == 0 then return 0 end
redis.call('HSET', settings, 'used', 1)
if latest then
  for partition = 1, partitions - 1 do
    redis.call('HSET', group, position_of(partition), last_id(of(partition)) or '0-0')
  end
end
return 1
"""
)
"""Gets a position, and 1 if that is an offset; returns 1, 0 if there is such a group, or the number of partitions."""

SEEK = script(
    _GROUP
    + """
local target = ARGV[4]
if ARGV[5] == '1' and partitions > 1 then return partitions end
if redis.call('HEXISTS', group, 'position') == 0 then return 0 end
if redis.call('ZCOUNT', members, '(' .. now, '+inf') > 0 or not bury() then return -1 end
redis.call('DEL', counts, held, again)
for partition = 0, partitions - 1 do
  local last = last_id(of(partition)) or '0-0'
  redis.call('HSET', group, position_of(partition), is_below(target, last) and target or last)
end
return 1
"""
)
"""Gets a position, and 1 if that is an offset; returns 1, 0 if there is no group, -1 if it has members, or the number of
partitions."""

BEAT = script("""
local time = redis.call('TIME')
for i, members in ipairs(KEYS) do
  redis.call('ZADD', members, 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1], ARGV[i + 1])
end
""")
