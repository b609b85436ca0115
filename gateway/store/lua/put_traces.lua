-- Keeps decisions: each among its user's latest, and one that made a push under the push's id.
-- (In a cluster one partition, or one push, a call: all keys of a call share a hash tag.)
--
-- KEYS     list   traces of each user, newest first; a user may come several times, oldest decision first
--          string decision of each push
-- ARGV     most kept per user; lifetime in ms; how many of the keys are lists; then one decision per key
-- returns  nothing
local kept, lifetime_ms, lists = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
for number = 1, lists do
  local key = KEYS[number]
  if redis.call('LPUSH', key, ARGV[3 + number]) > kept then
    redis.call('LTRIM', key, 0, kept - 1)
  end
  redis.call('PEXPIRE', key, lifetime_ms)
end
for number = lists + 1, #KEYS do
  redis.call('SET', KEYS[number], ARGV[3 + number], 'PX', lifetime_ms)
end
return redis.status_reply('OK')
