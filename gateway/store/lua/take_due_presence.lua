-- Takes users whose time has come, for one worker; who is not saved within the lease is taken again. Whose presence
-- has expired meanwhile (nobody was there to wake them) is forgotten instead.
--
-- KEYS[1]  zset   due: user id by instant (ms)
-- KEYS[2]  hash   present: user id -> coarse cell
-- ARGV     now in ms; most users to take; lease in ms; channel of the news; what a presence's key begins and ends with
--          around the user id (same hash tag)
-- returns  user ids
-- publishes as save_presence.lua: cmsgpack {'', user id, false, false, ...}
local users = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local again = tonumber(ARGV[1]) + tonumber(ARGV[3])
local taken, news = {}, {''}
for _, user in ipairs(users) do
  if redis.call('EXISTS', ARGV[5] .. user .. ARGV[6]) == 1 then
    redis.call('ZADD', KEYS[1], again, user)
    taken[#taken + 1] = user
  else
    redis.call('ZREM', KEYS[1], user)
    redis.call('HDEL', KEYS[2], user)
    news[#news + 1] = user
    news[#news + 1] = false
    news[#news + 1] = false
  end
end
if #news > 1 then
  redis.call('PUBLISH', ARGV[4], cmsgpack.pack(news))
end
return taken
