-- Takes what is due of a user's deferred, each for one worker only, and notes when the rest is due.
--
-- KEYS[1]  hash   deferred of the user: see defer.lua
-- KEYS[2]  zset   users by when the first of their deferred is due
-- ARGV     user id; now in ms
-- returns  payloads
local now, first, taken = tonumber(ARGV[2]), nil, {}
local held = redis.call('HGETALL', KEYS[1])
for place = 1, #held, 2 do
  local due_ms, payload = unpack(cmsgpack.unpack(held[place + 1]))
  if due_ms <= now then
    taken[#taken + 1] = payload
    redis.call('HDEL', KEYS[1], held[place])
  elseif not first or due_ms < first then
    first = due_ms
  end
end
if first then
  redis.call('ZADD', KEYS[2], first, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return taken
