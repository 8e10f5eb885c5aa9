"""The messages of one namespace inside of the server: Lua scripts, each one atomic step, and the rules by which messages move.

A message is a hash, and its id is in one sorted set: ``r:<queue>`` if it is *ready*, by turn, else ``due``, by the instant in
microseconds until which it is *delayed* or *leased* (then the hash has a ``token``). Three more sets find some quickly:
``f:<queue>`` the ready ones that failed before, ``s:<queue>`` the delayed, ``d:<queue>`` with the target those that died.

Each script first settles: it brings all queues to the server's present, so the state is always what the clock says, in the order
in which things fell due, and no timer is needed. Each returns its result, the queues in which messages became ready, and the
microseconds until the first end of a lease or a delay that it set, or -1; and it publishes these two for other processes on the
channel ``changed``, behind the name of the process that it acts for and a colon: ``q<queue>`` and ``t<microseconds>``. That name is
KEYS[2], and made like a key, so that access lists let it pass.

Keys are made from a prefix inside of the scripts, so this is not for a cluster, which must be told them beforehand
(https://redis.io/docs/latest/develop/programmability/eval-intro/).
"""

from prism_backends.redis.client import script

__all__ = [
    "ACK",
    "ADD",
    "CONFIGURE",
    "DEAD",
    "DEQUEUE",
    "EXTEND",
    "LONGEST_S",
    "PEEK",
    "PUT_BACK",
    "RECEIVE",
    "REDRIVE",
    "RELEASE",
    "SCHEDULED",
    "UNLEASE",
]

LONGEST_S = 4e9
"""Scores are floats: an instant in microseconds is exact below 2**53, in the year 2255."""

_RULES = """
local prefix = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local woken, expected = {}, -1

local function at(id) return prefix .. 'm:' .. id end
local function count() return redis.call('INCR', prefix .. 'counter') end
local function dead(queue, target) return prefix .. 'd:' .. #queue .. ':' .. queue .. target end

local function policy(queue)
  local found = redis.call('HGET', prefix .. 'policies', queue)
  if not found then return nil, 0 end
  local cut = string.find(found, ':', 1, true)
  return string.sub(found, cut + 1), tonumber(string.sub(found, 1, cut - 1))
end

local function wait(id, until_us)
  redis.call('ZADD', prefix .. 'due', until_us, id)
  if expected < 0 or until_us - now < expected then expected = until_us - now end
end

local function make_ready(id)
  local queue, priority, number, attempts, failed =
    unpack(redis.call('HMGET', at(id), 'queue', 'priority', 'number', 'attempts', 'failed'))
  -- the higher priority first, then the lower number: 2^49 numbers are enough, and ten times as many exact in a float
  redis.call('ZADD', prefix .. 'r:' .. queue, tonumber(number) - tonumber(priority) * 562949953421312, id)
  if tonumber(attempts) > 0 then redis.call('ZADD', prefix .. 'f:' .. queue, failed, id) end
  woken[#woken + 1] = queue
end

local function make_unready(id, queue)
  redis.call('ZREM', prefix .. 'r:' .. queue, id)
  redis.call('ZREM', prefix .. 'f:' .. queue, id)
end

local function leave(id, queue)
  local origin = redis.call('HGET', at(id), 'origin')
  if origin then redis.call('ZREM', dead(origin, queue), id) end
end

local function move(id, from, to, origin)
  leave(id, from)
  local number = count()
  redis.call('HSET', at(id), 'queue', to, 'number', number, 'attempts', 0)
  if origin then
    redis.call('HSET', at(id), 'origin', origin)
    redis.call('ZADD', dead(origin, to), number, id)
  else
    redis.call('HDEL', at(id), 'origin')
  end
  make_ready(id)
end

local function come_again(id, queue)
  local target, most = policy(queue)
  if target and tonumber(redis.call('HGET', at(id), 'attempts')) >= most then
    move(id, queue, target, queue)
  else
    make_ready(id)
  end
end

local function fail(id, queue)
  redis.call('HDEL', at(id), 'token')
  redis.call('HSET', at(id), 'failed', count())
  come_again(id, queue)
end

local function settle()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now)) do
    redis.call('ZREM', prefix .. 'due', id)
    local queue, token = unpack(redis.call('HMGET', at(id), 'queue', 'token'))
    if token then
      fail(id, queue)
    else
      redis.call('ZREM', prefix .. 's:' .. queue, id)
      make_ready(id)
    end
  end
end

local function first(queue) return redis.call('ZRANGE', prefix .. 'r:' .. queue, 0, 0)[1] end

local function next_us()
  local found = redis.call('ZRANGE', prefix .. 'due', 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2]) - now or -1
end

local function is_leased(queue, id, token)
  local found = redis.call('HMGET', at(id), 'queue', 'token')
  return found[1] == queue and found[2] == token
end

local function content(id)
  local headers, payload = unpack(redis.call('HMGET', at(id), 'headers', 'payload'))
  return {id, headers, payload}
end

settle()
"""

_TELL = """
local function tell(what) redis.call('PUBLISH', prefix .. 'changed', KEYS[2] .. ':' .. what) end
for _, queue in ipairs(woken) do tell('q' .. queue) end
if expected >= 0 then tell(string.format('t%.0f', expected)) end
return {result, woken, expected}
"""


def _step(text: str) -> str:
    return script(f"{_RULES}{text}{_TELL}")


ADD = _step("""
local queue, priority, delay_us, headers, payload = unpack(ARGV)
local number = count()
local result = tostring(number)
redis.call('HSET', at(result), 'queue', queue, 'priority', priority, 'number', number, 'attempts', 0, 'failed', 0,
  'headers', headers, 'payload', payload)
if tonumber(delay_us) > 0 then
  redis.call('ZADD', prefix .. 's:' .. queue, now + tonumber(delay_us), result)
  wait(result, now + tonumber(delay_us))
else
  make_ready(result)
end
""")

SCHEDULED = _step("""
local result = redis.call('ZCARD', prefix .. 's:' .. ARGV[1])
""")

PEEK = _step("""
local id = first(ARGV[1])
local result = id and content(id) or {}
""")

DEQUEUE = _step("""
local queue = ARGV[1]
local id = first(queue)
local result
if id then
  result = {id, redis.call('HGETALL', at(id))}
  make_unready(id, queue)
  leave(id, queue)
  redis.call('DEL', at(id))
else
  result = {next_us()}
end
""")

PUT_BACK = _step("""
local id, queue = ARGV[1], ARGV[2]
redis.call('HSET', at(id), unpack(ARGV, 3))
local origin, number = unpack(redis.call('HMGET', at(id), 'origin', 'number'))
if origin then redis.call('ZADD', dead(origin, queue), number, id) end
come_again(id, queue)
local result = 1
""")

RECEIVE = _step("""
local queue, lease_us = ARGV[1], tonumber(ARGV[2])
local id = first(queue)
local result
if id then
  make_unready(id, queue)
  local attempt, token = redis.call('HINCRBY', at(id), 'attempts', 1), tostring(count())
  redis.call('HSET', at(id), 'token', token)
  wait(id, now + lease_us)
  result = {content(id), attempt, token}
else
  result = {next_us()}
end
""")

UNLEASE = _step("""
local queue, id, token = unpack(ARGV)
local result = 0
if is_leased(queue, id, token) then
  redis.call('ZREM', prefix .. 'due', id)
  redis.call('HDEL', at(id), 'token')
  redis.call('HINCRBY', at(id), 'attempts', -1)
  come_again(id, queue)
  result = 1
end
""")

ACK = _step("""
local queue, id, token = unpack(ARGV)
local result = 0
if is_leased(queue, id, token) then
  redis.call('ZREM', prefix .. 'due', id)
  leave(id, queue)
  redis.call('DEL', at(id))
  result = 1
end
""")

EXTEND = _step("""
local queue, id, token, lease_us = unpack(ARGV)
local result = 0
if is_leased(queue, id, token) then
  wait(id, now + tonumber(lease_us))
  result = 1
end
""")

RELEASE = _step("""
local queue, id, token = unpack(ARGV)
local result = 0
if is_leased(queue, id, token) then
  redis.call('ZREM', prefix .. 'due', id)
  fail(id, queue)
  result = 1
end
""")

CONFIGURE = _step("""
local queue, target, most = unpack(ARGV)
redis.call('HSET', prefix .. 'policies', queue, most .. ':' .. target)
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'f:' .. queue, 0, -1)) do
  if tonumber(redis.call('HGET', at(id), 'attempts')) >= tonumber(most) then
    make_unready(id, queue)
    move(id, queue, target, queue)
  end
end
local result = 1
""")

DEAD = _step("""
local queue, result = ARGV[1], {}
local target = policy(queue)
if target then
  for _, id in ipairs(redis.call('ZRANGE', dead(queue, target), 0, -1)) do result[#result + 1] = content(id) end
end
""")

REDRIVE = _step("""
local queue, result = ARGV[1], 0
local target = policy(queue)
if target then
  for _, id in ipairs(redis.call('ZRANGE', dead(queue, target), 0, -1)) do
    if redis.call('HEXISTS', at(id), 'token') == 0 then
      make_unready(id, target)
      move(id, target, queue, nil)
      result = result + 1
    end
  end
end
""")
