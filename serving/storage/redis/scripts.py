"""What the server does in one piece: Lua, run where the streams are.

The hash of a shard holds ``incarnation``, how many events were ever ``appended``, and up to which
position (``passed``) and count (``read``) the ledger has them. Each entry of feedback carries the
count up to itself, so that the unread are known without reading them.
"""

from __future__ import annotations

__all__ = ["APPEND", "LOOK", "TRIM"]

_NAMED = """
local function reaches(a, b)
  local a1, a2 = string.match(a, '^(%d+)-(%d+)$')
  local b1, b2 = string.match(b, '^(%d+)-(%d+)$')
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 > b1 or (a1 == b1 and a2 >= b2)
end

local function named(hash, stream, fresh, known, last)
  local held = redis.call('HMGET', hash, 'incarnation', 'appended', 'passed', 'read')
  local name, appended = held[1], tonumber(held[2] or 0)
  local passed, read = held[3] or '0-0', tonumber(held[4] or 0)
  if not name or (appended > 0 and redis.call('EXISTS', stream) == 0) then
    redis.call('DEL', hash)
    name, appended, passed, read = fresh, 0, '0-0', 0
    redis.call('HSET', hash, 'incarnation', name)
  elseif name == known and not reaches(passed, last)
    and #redis.call('XRANGE', stream, last, last) == 0 then
    name, passed = fresh, '0-0'
    redis.call('HSET', hash, 'incarnation', name, 'passed', passed)
  end
  return name, appended, passed, read
end
"""

# KEYS: hash, feedback; ARGV: a fresh name, incarnation and position of the caller's last event.
LOOK = (
    _NAMED
    + """
local name, appended, passed, read = named(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
return {name, passed, appended - read}
"""
)

# Then in turns: an entry, and how many events it holds.
APPEND = (
    _NAMED
    + """
local name, appended, passed, read = named(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
local position
for i = 4, #ARGV, 2 do
  appended = redis.call('HINCRBY', KEYS[1], 'appended', ARGV[i + 1])
  position = redis.call('XADD', KEYS[2], '*', 'e', ARGV[i], 'n', appended)
end
return {name, position, appended - read}
"""
)

# KEYS: hash, feedback, decisions; ARGV: incarnation; positions of feedback and of decisions that
# the ledger has reached, each followed by the smallest one behind it. A full server must be able to
# run it: it is what makes room.
TRIM = """#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return 0 end
local at = redis.call('XREVRANGE', KEYS[2], ARGV[2], '-', 'COUNT', 1)
if at[1] then
  redis.call('HSET', KEYS[1], 'passed', ARGV[2])
  local fields = at[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 'n' then redis.call('HSET', KEYS[1], 'read', fields[i + 1]) end
  end
end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[5])
return 1
"""
