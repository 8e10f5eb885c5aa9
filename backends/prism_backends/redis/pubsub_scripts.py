"""The atomic steps of durable subscriptions, and where they keep what.

A message is named by its number in the topic's log, from 1. The keys of a subscription, in the order in which a script gets them:

* ``log``: the topic's messages by number; none is ever removed, so their count is the last number.
* ``chain``: the lines of the topic's ordering keys: ``<number`` and ``>number`` give the number before and behind it, ``key:<key>``
  the last one.
* ``state``: ``position``, the last number that was ever delivered; ``nacks``, how many there were; ``take:<member>``, the number
  of a member's last take.
* ``ready``: what was given back, scored by turn: its own number for what came back by leaving, the next number of the log for
  what was nacked; among those of one turn the earlier nack goes first. So what is nacked for ever lets all others pass.
* ``later``: what was nacked and waits, scored by the instant in microseconds.
* ``held``: ``<member>.<take>`` by number. ``counts``: deliveries by number, of what is not confirmed.
* ``behind``: the numbers up to ``position`` that were not delivered, for the one before them in their line is in ``counts``, or
  in here itself.
* ``members``: scored by the instant in microseconds until which a member counts as alive.

What is in none of these, and not above ``position``, is confirmed. A script that finds no ``state`` writes nothing: whoever lives
on after `clean` leaves nothing behind.
"""

from prism_backends.redis.client import script

__all__ = ["ACK", "BEAT", "JOIN", "LEAVE", "NACK", "PUBLISH", "TAKE", "UNDO"]

PUBLISH = script("""
local log, chain, key = KEYS[1], KEYS[2], ARGV[3]
local number = redis.call('HLEN', log) + 1
redis.call('HSET', log, number, ARGV[2])
if key then
  local before = redis.call('HGET', chain, 'key:' .. key)
  if before then redis.call('HSET', chain, '<' .. number, before, '>' .. before, number) end
  redis.call('HSET', chain, 'key:' .. key, number)
end
redis.call('PUBLISH', ARGV[1], '')
return number
""")
"""Gets a wake and an envelope, and a key if it has one; returns the number."""

_BEGIN = """
local log, chain, state, ready, later, held, counts, behind, members = unpack(KEYS)
local wake, member = ARGV[1], ARGV[2]
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function live(until_us) redis.call('ZADD', members, string.format('%.0f', until_us), member) end
local function line(turn, nack, number) redis.call('ZADD', ready, turn, string.format('%015d%015d', nack, number)) end
local function give_back(is_theirs, forget)
  local all, found = redis.call('HGETALL', held), false
  for i = 1, #all, 2 do
    if is_theirs(all[i + 1]) then
      found = true
      redis.call('HDEL', held, all[i])
      if forget then redis.call('HINCRBY', counts, all[i], -1) end
      line(all[i], 0, all[i])
    end
  end
  if found then redis.call('PUBLISH', wake, '') end
end
local function owner(holder) return string.match(holder, '^[^.]+') end
local function undo(first)
  local takes = {}
  for i = first, #ARGV do takes[member .. '.' .. ARGV[i]] = true end
  if next(takes) then give_back(function(holder) return takes[holder] end, true) end
end
"""

JOIN = script(
    _BEGIN
    + """
if redis.call('EXISTS', state) == 0 then
  if ARGV[4] == 'again' then return 0 end
  redis.call('HSET', state, 'position', ARGV[4] == 'new' and redis.call('HLEN', log) or 0, 'nacks', 0)
end
live(now() + ARGV[3])
return 1
"""
)

BEAT = script(_BEGIN + "if redis.call('ZSCORE', members, member) then live(now() + ARGV[3]) end")

# A take looks at so many messages at most; if it stopped for that, the wait that it returns is 0. One that comes late, because its
# caller gave up and its connection was slow, finds a higher number, and takes nothing.
TAKE = script(
    _BEGIN
    + """
if not redis.call('ZSCORE', members, member) then return false end
local now_us, take, most, room, steps = now(), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if take <= tonumber(redis.call('HGET', state, 'take:' .. member) or 0) then return {'-1'} end
redis.call('HSET', state, 'take:' .. member, take)
live(now_us + ARGV[3])
undo(8)
local now_text = string.format('%.0f', now_us)
local dead, is_dead = redis.call('ZRANGEBYSCORE', members, '-inf', now_text), {}
for _, one in ipairs(dead) do
  is_dead[one] = true
  redis.call('ZREM', members, one)
  redis.call('HDEL', state, 'take:' .. one)
end
if #dead > 0 then give_back(function(holder) return is_dead[owner(holder)] end) end
local last = redis.call('HLEN', log)
for _, value in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now_text)) do
  redis.call('ZREM', later, value)
  redis.call('ZADD', ready, last + 1, value)
end
local position, reply = tonumber(redis.call('HGET', state, 'position')), {}
local function must_wait(number)
  local before = redis.call('HGET', chain, '<' .. number)
  return before and (redis.call('HEXISTS', counts, before) == 1 or redis.call('SISMEMBER', behind, before) == 1)
end
local function deliver(number)
  redis.call('HSET', held, number, member .. '.' .. take)
  local envelope = redis.call('HGET', log, number)
  room = room - #envelope
  reply[#reply + 1] = number
  reply[#reply + 1] = redis.call('HINCRBY', counts, number, 1)
  reply[#reply + 1] = envelope
end
while #reply < most * 3 and room > 0 and steps > 0 do
  steps = steps - 1
  local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
  if first[1] and tonumber(first[2]) <= position + 1 then
    redis.call('ZREM', ready, first[1])
    deliver(tonumber(string.sub(first[1], 16)))
  elseif position < last then
    position = position + 1
    if must_wait(position) then redis.call('SADD', behind, position) else deliver(position) end
  else
    break
  end
end
redis.call('HSET', state, 'position', position)
local wait_us = -1
local function at_most(first)
  if first[2] and (wait_us < 0 or first[2] - now_us < wait_us) then wait_us = first[2] - now_us end
end
at_most(redis.call('ZRANGE', later, 0, 0, 'WITHSCORES'))
if redis.call('HLEN', held) > 0 then at_most(redis.call('ZRANGE', members, 0, 0, 'WITHSCORES')) end
table.insert(reply, 1, steps > 0 and string.format('%.0f', wait_us) or '0')
return reply
"""
)

UNDO = script(
    _BEGIN
    + """
local last = tonumber(redis.call('HGET', state, 'take:' .. member) or 0)
if redis.call('ZSCORE', members, member) and last < tonumber(ARGV[3]) then
  redis.call('HSET', state, 'take:' .. member, ARGV[3])
end
undo(3)
"""
)

_MINE = """
local function each_mine(first, act)
  for i = first, #ARGV, 2 do
    if redis.call('HGET', held, ARGV[i]) == member .. '.' .. ARGV[i + 1] then
      redis.call('HDEL', held, ARGV[i])
      act(ARGV[i])
    end
  end
end
"""

ACK = script(
    _BEGIN
    + _MINE
    + """
local freed = false
each_mine(3, function(number)
  redis.call('HDEL', counts, number)
  local following = redis.call('HGET', chain, '>' .. number)
  if following and redis.call('SREM', behind, following) == 1 then
    freed = true
    line(following, 0, following)
  end
end)
if freed then redis.call('PUBLISH', wake, '') end
"""
)

NACK = script(
    _BEGIN
    + _MINE
    + """
if redis.call('EXISTS', state) == 0 then return end
local nack, delay_us = redis.call('HINCRBY', state, 'nacks', 1), tonumber(ARGV[3])
local turn, due = redis.call('HLEN', log) + 1, string.format('%.0f', now() + delay_us)
each_mine(4, function(number)
  if delay_us > 0 then
    redis.call('ZADD', later, due, string.format('%015d%015d', nack, number))
  else
    line(turn, nack, number)
  end
end)
redis.call('PUBLISH', wake, '')
"""
)

LEAVE = script(
    _BEGIN
    + """
redis.call('ZREM', members, member)
redis.call('HDEL', state, 'take:' .. member)
give_back(function(holder) return owner(holder) == member end)
"""
)
