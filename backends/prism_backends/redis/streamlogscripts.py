"""Streams inside of the server, but for their groups: Lua scripts, each one atomic step.

A partition is a stream of the server's, with the ids that XADD gives: milliseconds and a number within them. The first three keys
of every script are

* the *settings*, a hash that is there once a stream was given partitions, a group or bounds: ``partitions``; ``age`` and
  ``records``, the bounds as they were set; ``age_ms``; ``used``.
* partition 0, and what the names of the others begin with, before their number.

A stream that is partitioned answers a script that wants a whole one, or a partition that there is not, with the number of its
partitions. Bounds are enforced by whatever looks or adds.
"""

from prism_backends.redis.client import script

__all__ = ["APPEND", "BOUND", "ENFORCE", "KEYS", "LAST", "LOG", "PART", "READ", "TRIM"]

LOG = """
local settings, stream, parts = KEYS[1], KEYS[2], KEYS[3]
local set = redis.call('HMGET', settings, 'partitions', 'age_ms', 'records')
local partitions = tonumber(set[1] or 1)
local function of(partition) return partition == 0 and stream or parts .. partition end

local function last_id(key)
  if redis.call('EXISTS', key) == 0 then return false end
  local found = redis.call('XINFO', 'STREAM', key)
  for i = 1, #found, 2 do
    if found[i] == 'last-generated-id' then return found[i + 1] end
  end
end

local function is_below(one, other)
  local one_ms, one_number = string.match(one, '(%d+)-(%d+)')
  local other_ms, other_number = string.match(other, '(%d+)-(%d+)')
  if one_ms ~= other_ms then return tonumber(one_ms) < tonumber(other_ms) end
  return tonumber(one_number) < tonumber(other_number)
end

local function enforce(from, to)
  if not set[2] and not set[3] then return end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  for partition = from, to do
    local key = of(partition)
    if set[2] then redis.call('XTRIM', key, 'MINID', '=', string.format('%.0f', math.max(0, now_ms - set[2]))) end
    if set[3] then redis.call('XTRIM', key, 'MAXLEN', '=', set[3]) end
  end
end
"""
"""How every script of a stream begins."""

APPEND = script(
    LOG
    + """
local partition = ARGV[1] == '' and ARGV[2] % partitions or tonumber(ARGV[1])
if partition >= partitions then return partitions end
local id = redis.call('XADD', of(partition), '*', unpack(ARGV, 3))
enforce(partition, partition)
return id
"""
)
"""Gets a partition, or nothing and a number that chooses one, and the fields; returns the id."""

READ = script(
    LOG
    + """
local partition, from, last, most = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
if partition and partition >= partitions or not partition and partitions > 1 then return partitions end
local key = of(partition or 0)
enforce(partition or 0, partition or 0)
local ended = last_id(key)
if not ended then return {} end
if last == '+' or is_below(ended, last) then last = ended end
local out, size = {last}, 0
while #out <= most and size < 4000000 do
  local entries = redis.call('XRANGE', key, from, last, 'COUNT', math.min(most - #out + 1, 16))
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
"""Gets a partition or nothing, where to begin, the last id or ``+``, and how many.

Returns the id where the reading ends, as of its first page, and some records up to there; nothing of an unknown stream.
"""

LAST = script(LOG + "return partitions > 1 and partitions or last_id(stream)")

TRIM = script(
    LOG
    + """
if partitions > 1 then return partitions end
enforce(0, 0)
redis.call('XTRIM', stream, 'MINID', '=', ARGV[1])
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
return {first and first[1] or false, last_id(stream)}
"""
)
"""Returns the first id that is kept and the last that was given."""

PART = script(
    LOG
    + """
local n = tonumber(ARGV[1])
if n == partitions then return n end
if redis.call('EXISTS', settings, stream) > 0 then return partitions end
redis.call('HSET', settings, 'partitions', n)
return n
"""
)
"""Returns how many partitions there are now."""

# What is outside of the old bounds is gone for whoever looked, so it must not come back under new ones.
BOUND = script(
    LOG
    + """
enforce(0, partitions - 1)
redis.call('HSET', settings, 'used', 1)
for i, field in ipairs({'age', 'age_ms', 'records'}) do
  if ARGV[i] == '' then redis.call('HDEL', settings, field) else redis.call('HSET', settings, field, ARGV[i]) end
end
set = redis.call('HMGET', settings, 'partitions', 'age_ms', 'records')
enforce(0, partitions - 1)
"""
)

ENFORCE = script(LOG + "enforce(0, partitions - 1)")

KEYS = script(
    LOG
    + """
local key, from, most, out, size = of(tonumber(ARGV[1])), ARGV[2], tonumber(ARGV[3]), {partitions}, 0
while #out <= most and size < 4000000 do
  local entries = redis.call('XREVRANGE', key, from, '-', 'COUNT', math.min(most - #out + 1, 16))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    out[#out + 1] = {entry[1], entry[2][3] == 'k' and entry[2][4]}
    from = '(' .. entry[1]
    for _, part in ipairs(entry[2]) do size = size + #part end
  end
end
return out
"""
)
"""Gets a partition, where to begin and how many; returns the number of partitions, then ids and keys, from the last one on."""
