"""What the server does in one piece: Lua, run where the streams are.

The hash of a shard holds ``incarnation``, how many events were ever ``appended``, and up to which
position (``passed``) and count (``read``) the ledger has them. Each entry of feedback carries the
count up to itself, so that the unread are known without reading them. ``by:…`` counts the events of
each sender: a server that came back with an older state counts fewer than the sender remembers.
"""

from __future__ import annotations

__all__ = ["APPEND", "ARCHIVE", "LOOK", "TRIM"]

_NAMED = """
local function named(hash, stream, fresh, sender, known, sent)
  local held = redis.call('HMGET', hash, 'incarnation', 'appended', 'passed', 'read', sender)
  local name, appended = held[1], tonumber(held[2] or 0)
  local passed, read, counted = held[3] or '0-0', tonumber(held[4] or 0), tonumber(held[5] or 0)
  local gone = appended > 0 and redis.call('EXISTS', stream) == 0
  local older = name == known and counted < tonumber(sent)
  if not name or gone or older or redis.call('HLEN', hash) > 2000 then
    if gone then appended, read = 0, 0 end
    name, passed, counted = fresh, '0-0', 0
    redis.call('DEL', hash)
    redis.call('HSET', hash, 'incarnation', name, 'appended', appended, 'read', read)
  end
  return name, appended, passed, read, counted
end
"""

# KEYS: hash, feedback; ARGV: a fresh name; the sender's field, the incarnation that it knows and
# how many events it sent to that.
LOOK = (
    _NAMED
    + """
local name, appended, passed, read = named(
  KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return {name, passed, appended - read}
"""
)

# Then in turns: an entry, and how many events it holds. The answer is one line.
APPEND = (
    _NAMED
    + """
local name, appended, passed, read, counted = named(
  KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local position
for i = 5, #ARGV, 2 do
  appended = appended + ARGV[i + 1]
  counted = counted + ARGV[i + 1]
  position = redis.call('XADD', KEYS[2], '*', 'e', ARGV[i], 'n', appended)
end
redis.call('HSET', KEYS[1], 'appended', appended, ARGV[2], counted)
return {ok = string.format('%s %s %.0f %.0f', name, position, appended - read, counted)}
"""
)

# KEYS: decisions; ARGV: entries. The answer is one line.
ARCHIVE = """
local position
for i = 1, #ARGV do position = redis.call('XADD', KEYS[1], '*', 'e', ARGV[i]) end
return {ok = position}
"""

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
