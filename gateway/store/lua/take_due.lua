-- Takes users whose time has come, for one worker; who is not saved within the lease is taken again.
--
-- KEYS[1]  zset   due: user id by instant (ms)
-- ARGV     now in ms; most users to take; lease in ms
-- returns  user ids
local users = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local again = tonumber(ARGV[1]) + tonumber(ARGV[3])
for _, user in ipairs(users) do
  redis.call('ZADD', KEYS[1], again, user)
end
return users
